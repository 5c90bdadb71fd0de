"""The folder of receipts: .state/receipts, one file a run (receipt.py says what it holds)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.ledger import artifacts, state
from tasks.refusal import Refusal

LATEST = "latest"
LAYOUT = 1  # of the file; a reader of another one refuses it
NEEDED = ("key", "made", "run", "git", "mlflow", "environment", "params", "lock_sha256", "stages", "headline")


@dataclass(frozen=True)
class Receipt:
    """One receipt as it was read; `path` is where."""

    path: Path
    found: dict[str, Any]

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def stages(self) -> dict[str, dict[str, Any]]:
        """By name, each after all it needs; of those that had their result."""
        return {one["name"]: one for one in self.found["stages"] if one["current"]}

    @property
    def files(self) -> dict[str, dict[str, Any]]:
        """Path -> hashes and size of everything that a stage wrote."""
        return {
            path: one
            for stage in self.stages.values()
            for out in stage["outs"].values()
            for path, one in out["files"].items()
        }

    @property
    def is_whole(self) -> bool:
        """Whether the file is as it was written, as far as its own hash tells."""
        return self.found.get("sha256") == seal(self.found)


def folder() -> Path:
    return state.root() / "receipts"


def read(name: str = LATEST) -> Receipt:
    """The receipt of this path, name or beginning of a name; `latest` is the newest of this working tree."""
    if name == LATEST:
        found = newest_here()
        if found is None:
            raise Refusal(
                "receipts", "there is none of this tree yet", "run `make run`, or `python -m tasks receipt`"
            )
        return found
    given = Path(name)
    paths = (
        [given]
        if given.suffix == ".json" and given.is_file()
        else sorted(folder().glob(f"{_plain(name)}*.json"))
    )
    if len(paths) != 1:
        some = ", ".join(path.stem for path in (paths or _every())[-5:]) or "none"
        cause = f"{len(paths)} receipts have names that begin so" if paths else "there is no such receipt"
        raise Refusal(f"receipt {name}", cause, f"say `latest`, a path or one of: {some}")
    return _read(paths[0])


def newest_here() -> Receipt | None:
    """The newest receipt of this working tree; None before there was one."""
    return next((one for one in map(_read, reversed(_every())) if one.found["run"]["tree"] == tree()), None)


def newest_path() -> Path | None:
    """Where the newest one of this working tree lies; None before there was one, or where it cannot be read."""
    try:
        found = newest_here()
    except Refusal:
        return None
    return found.path if found else None


def tree() -> str:
    """`.` for the project's own files, else the worktree's path from there."""
    here, main = Path.cwd().resolve(), state.main_tree().resolve()
    return here.relative_to(main).as_posix() if here.is_relative_to(main) else here.name


def write(path: Path, found: Mapping[str, Any]) -> Receipt:
    """The receipt, written whole or not at all, and sealed by its own hash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sealed = {**found, "sha256": seal(found)}
    fresh = path.with_suffix(".new")
    fresh.write_text(
        json.dumps(sealed, ensure_ascii=False, sort_keys=True, indent=1) + "\n", encoding="utf-8"
    )
    os.replace(fresh, path)
    return Receipt(path, sealed)


def seal(found: Mapping[str, Any]) -> str:
    """SHA-256 of all of a receipt but this hash itself."""
    return artifacts.sha256_of({name: value for name, value in found.items() if name != "sha256"})


def _every() -> list[Path]:
    """The oldest first, as their names begin with the time."""
    return sorted(folder().glob("*.json"))


def _read(path: Path) -> Receipt:
    cure = "take another one, or take it away and run `python -m tasks receipt`"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refusal(str(path), f"cannot be read ({type(error).__name__})", cure) from error
    if not isinstance(found, dict) or found.get("layout") != LAYOUT or not found.keys() >= set(NEEDED):
        raise Refusal(str(path), f"is no receipt of layout {LAYOUT}", cure)
    return Receipt(path, found)


def _plain(name: str) -> str:
    """A name as glob takes it, with nothing in it that is a pattern or another folder."""
    return re.sub(r"[^A-Za-z0-9-]", "", name) or "none"
