"""The row that every later stage reads, and its parquet files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.refusal import Refusal

SPLITS = ("train", "validation", "test")
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("document", pa.string(), nullable=False),
        pa.field("summary", pa.string(), nullable=False),
        pa.field("title", pa.string()),
        pa.field("date", pa.string()),
        pa.field("facts", pa.string()),
        pa.field("group", pa.string(), nullable=False),
        pa.field("truncated", pa.bool_(), nullable=False),
    ]
)
UNLABELLED = pa.schema([SCHEMA.field("id"), SCHEMA.field("document")])


@dataclass(frozen=True, slots=True)
class Row:
    """One document with its summary; rows of one `group` are near duplicates and stand in one split."""

    id: str
    document: str
    summary: str
    title: str | None
    date: str | None  # ISO, of the precision given
    facts: str | None  # JSON object
    group: str
    truncated: bool


@dataclass(frozen=True, slots=True)
class Placed:
    """A row with its place in the source, its split (None while it has none) and what was mended in it."""

    row: Row
    place: str
    split: str | None
    notes: Counter[str]


def write(rows: Sequence[Row], path: Path, schema: pa.Schema) -> None:
    """The columns of the schema as parquet; the file appears only when whole."""
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=schema)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    pq.write_table(table, partial)
    os.replace(partial, path)


def read(path: Path) -> list[Row]:
    """The rows of a labelled file that `write` made."""
    if not path.is_file():
        raise Refusal(str(path), "does not exist", "run the stage prepare first")
    return [Row(**values) for values in pq.read_table(path, schema=SCHEMA).to_pylist()]
