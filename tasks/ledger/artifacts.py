"""The hashes of results as they lie here: MD5, by which DVC knows them, and SHA-256, by which a receipt does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.ledger import state

BLOCK = 1 << 20  # bytes read at once
UNSEEN = {".gitkeep"}  # which .dvcignore leaves out, too


@dataclass(frozen=True)
class Hashed:
    """One file's hashes and its size in bytes."""

    md5: str
    sha256: str
    size: int


def of_file(path: Path) -> Hashed:
    """Both hashes, of one reading."""
    md5, sha256, size = hashlib.md5(), hashlib.sha256(), 0
    with path.open("rb") as opened:
        while block := opened.read(BLOCK):
            md5.update(block)
            sha256.update(block)
            size += len(block)
    return Hashed(md5.hexdigest(), sha256.hexdigest(), size)


def of(out: Path) -> dict[str, Hashed]:
    """Path -> hashes of the file, or of every file below the folder; empty where nothing lies there."""
    if out.is_file():
        return {out.as_posix(): of_file(out)}
    every = sorted(path for path in out.rglob("*") if path.is_file() and path.name not in UNSEEN)
    return {path.as_posix(): of_file(path) for path in every if "__pycache__" not in path.parts}


def md5(out: str, files: Mapping[str, Hashed]) -> str | None:
    """DVC's hash of this output, whose files are among these; None where nothing lies there."""
    if out in files:
        return files[out].md5
    inside = {
        path.removeprefix(f"{out}/"): one.md5 for path, one in files.items() if path.startswith(f"{out}/")
    }
    return of_folder(inside) if inside or Path(out).is_dir() else None


def of_folder(inside: Mapping[str, str]) -> str:
    """DVC's hash of a folder, of the MD5 of its files by path in it."""
    rows = [{"md5": inside[name], "relpath": name} for name in sorted(inside)]
    return hashlib.md5(json.dumps(rows, sort_keys=True).encode()).hexdigest() + ".dir"


def listed(out: str, known: str) -> dict[str, str] | None:
    """Path -> MD5 of every file of an output with this hash; None for a folder that DVC's cache does not have here."""
    if not known.endswith(".dir"):
        return {out: known}
    path = cached(known)
    if path is None:
        return None
    return {f"{out}/{one['relpath']}": one["md5"] for one in json.loads(path.read_text(encoding="utf-8"))}


def cached(known: str) -> Path | None:
    """The file in the project's own DVC cache that has this hash, if it is there."""
    path = state.main_tree() / ".dvc/cache/files/md5" / known[:2] / known[2:]
    return path if path.is_file() else None


def sha256_of(value: Any) -> str:
    """SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def canonical(value: Any) -> str:
    """JSON of which there is one: sorted keys, no spaces."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
