"""Where locks, half-finished work and the services' files live: .state/, ignored by git and DVC alike."""

from __future__ import annotations

import os
from pathlib import Path


def root() -> Path:
    """Absolute path of .state/; GALLIM_STATE moves it."""
    given = os.environ.get("GALLIM_STATE")
    return Path(given).resolve() if given else main_tree() / ".state"


def main_tree() -> Path:
    """The repository's first working tree: a run in a git worktree shares its locks and its MLflow store."""
    here = Path.cwd()
    mark = here / ".git"
    if mark.is_file():  # in a worktree: "gitdir: /path/to/main/.git/worktrees/<name>"
        store = Path(mark.read_text(encoding="utf-8").removeprefix("gitdir:").strip())
        if store.parent.name == "worktrees":
            return store.parent.parent.parent.resolve()
    return here


def folder(name: str) -> Path:
    """A folder below .state/, made if it is not there."""
    path = root() / name
    path.mkdir(parents=True, exist_ok=True)
    return path
