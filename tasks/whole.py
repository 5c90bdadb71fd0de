"""Files that are whole or not there: written aside, synced, put in place by one rename.

A kill in the middle of a write leaves the file as it was, and what lies aside is known to nobody: DVC ignores it by
.dvcignore. Never written into: an old file may be a link into DVC's cache.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def text(path: Path, content: str) -> None:
    """Nothing; the file holds this, as UTF-8."""
    with aside(path) as fresh:
        fresh.write_text(content, encoding="utf-8")


def as_json(path: Path, content: Any) -> None:
    """Nothing; the file holds this, indented, its keys sorted."""
    text(path, json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def table(path: Path, rows: pa.Table) -> None:
    """Nothing; the file holds these, as parquet."""
    with aside(path) as fresh:
        pq.write_table(rows, fresh)


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """Where to write what `path` will be when the block has ended; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.partial")
    fresh.unlink(missing_ok=True)
    yield fresh
    with fresh.open("rb") as written:
        os.fsync(written.fileno())
    os.replace(fresh, path)
