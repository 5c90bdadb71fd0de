"""Half-finished trainings, keyed by everything that decides their numbers, so that a killed one goes on.

It is storage for partial work and no cache: a finished result is DVC's, and its scratch is gone.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tasks.ledger import lock, state
from tasks.refusal import Refusal

SHOWN = 16  # characters of the fingerprint in a folder's name


class Scratch:
    """`with Scratch("align-dpo-0", fingerprint(...)) as scratch:`, work in scratch.folder, scratch.done()."""

    def __init__(self, record: str, fingerprint: str):
        self.record = record
        self.folder = state.root() / "scratch" / f"{record}-{fingerprint[:SHOWN]}"
        self._handle: int | None = None
        self._done = False

    def __enter__(self) -> Scratch:
        self._handle = lock.take(self.folder / "lock")
        if self._handle is None:
            raise Refusal(
                self.record, "another process is already training", "wait for it or stop it, then run again"
            )
        self._remove_older()
        return self

    def __exit__(self, *_: object) -> None:
        if self._done:
            _delete(self.folder)
        if self._handle is not None:
            os.close(self._handle)

    def done(self) -> None:
        """The outputs are written: the scratch is removed when the block ends."""
        self._done = True

    def _remove_older(self) -> None:
        for half in self.folder.parent.glob(f"{self.record}-*.deleted"):
            shutil.rmtree(half, ignore_errors=True)
        name = re.compile(re.escape(self.record) + rf"-[0-9a-f]{{{SHOWN}}}")
        for other in sorted(self.folder.parent.iterdir()):
            if other != self.folder and name.fullmatch(other.name):
                self._remove(other)

    def _remove(self, other: Path) -> None:
        handle = lock.take(other / "lock")
        if handle is None:
            return  # a run with other settings is at work in it, for instance in a worktree
        try:
            _delete(other)
            print(
                f"removed half-finished work of {self.record} under other settings: {other.name}", flush=True
            )
        finally:
            os.close(handle)


def _delete(folder: Path) -> None:
    """By a rename first: of a folder that a kill left half removed a training would go on without its curve."""
    shutil.rmtree(_deleted(folder), ignore_errors=True)
    os.replace(folder, _deleted(folder))
    shutil.rmtree(_deleted(folder))


def _deleted(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.deleted")


def fingerprint(settings: dict[str, Any], inputs: Sequence[Path], code: Sequence[Path] = ()) -> str:
    """SHA-256 over the settings (plain or sections) and the contents of inputs and code, 64 hex digits."""
    whole = hashlib.sha256(json.dumps(settings, sort_keys=True, default=_plain).encode())
    for path in sorted({*inputs, *code}):
        whole.update(f"\n{path.as_posix()} {digest(path)}".encode())
    return whole.hexdigest()


def digest(path: Path) -> str:
    """SHA-256 of a file, of a directory's manifest.json, or of the names and contents below a directory."""
    if not path.is_dir():
        return _file(path)
    if (path / "manifest.json").is_file():
        return _file(path / "manifest.json")
    whole = hashlib.sha256()
    for member in _files(path):
        whole.update(f"{member.relative_to(path).as_posix()} {_file(member)}\n".encode())
    return whole.hexdigest()


def _files(folder: Path) -> Iterable[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)


def _file(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"no setting: {type(value).__name__}")
