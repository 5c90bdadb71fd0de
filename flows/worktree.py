"""A git worktree for one flow run: HEAD's files, this project's DVC cache and the user's own data, no edit of theirs.

.state/runs/<flow run>/tree is removed when the run is through, and kept when it is not, so that Retry goes on in it.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from flows.repository import dvc, git
from tasks import parameters
from tasks.ledger import lock, state
from tasks.refusal import Refusal

KEPT = 5  # unfinished runs; with one more the oldest is removed


@dataclass(frozen=True)
class Worktree:
    """A run's folder: its files in tree/, its stages' logs in logs/."""

    home: Path
    main: Path

    @property
    def tree(self) -> Path:
        return self.home / "tree"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def cache(self) -> Path:
        """Its own DVC cache, where it is alone."""
        return self.home / "cache"

    @property
    def whole(self) -> Path:
        """The mark that it was made to its end."""
        return self.home / "made"


@contextmanager
def held(
    run: str, fill: Callable[[Path], None], commit: str = "HEAD", *, alone: bool = False
) -> Iterator[Worktree]:
    """The run's worktree, this process's alone while the block lasts: made from the commit, or found again.

    fill: is given the new tree, to write its parameters before DVC brings what belongs to them. alone: with a DVC cache
    of its own and no dvc.lock, so that nothing is brought and every stage runs.
    """
    one = Worktree(state.folder("runs") / run, state.main_tree())
    with _others():
        handle = lock.take(one.home / "lock")
        if handle is None:
            raise Refusal(f"run {run}", "another process is at work on it", "wait, or cancel that one")
        _remove_oldest(one)
    try:
        if not one.whole.exists():
            _make(one, fill, commit, alone)
        os.utime(one.home)  # the newest
        yield one
    finally:
        os.close(handle)


def remove(one: Worktree) -> None:
    """The run's folder, by whoever holds its lock; git's other worktrees stay as they are."""
    with _others():
        _delete(one)


def _delete(one: Worktree) -> None:
    _forget(one)
    shutil.rmtree(one.home)


def _others() -> AbstractContextManager[None]:
    """While it lasts no other run begins or is removed."""
    return lock.held(state.folder("locks") / "runs")


def _forget(one: Worktree) -> None:
    """Takes the tree out of git's list and off the disk, half made or whole."""
    mark = one.tree / ".git"
    known = mark.read_text(encoding="utf-8").removeprefix("gitdir:").strip() if mark.is_file() else ""
    if known and Path(known).parent.name == "worktrees":
        shutil.rmtree(known, ignore_errors=True)
    shutil.rmtree(one.tree, ignore_errors=True)


def _make(one: Worktree, fill: Callable[[Path], None], commit: str, alone: bool) -> None:
    _forget(one)  # half made
    # without the user's hooks: dvc's own one would check out before the cache is known
    add = ("worktree", "add", "--force", "--detach", str(one.tree), commit)
    git(one.main, "-c", "core.hooksPath=/dev/null", *add)
    try:
        fill(one.tree)
        cache = one.cache if alone else one.main / dvc(one.main, "cache", "dir")
        dvc(one.tree, "config", "--local", "cache.dir", str(cache.resolve()))
        for given in _own(one.tree, alone):
            _share(one.main / given, one.tree / given)
        if alone:
            shutil.rmtree(one.cache, ignore_errors=True)
            (one.tree / "dvc.lock").unlink(missing_ok=True)
        else:
            dvc(one.tree, "checkout", "--allow-missing", "--quiet")
    except BaseException:
        remove(one)
        raise
    one.whole.touch()


def _own(tree: Path, alone: bool) -> list[str]:
    """Where the user's own data lies; of an older commit, whose parameters were others, as its file has it."""
    if not alone:
        return list(parameters.read(tree / "params.yaml").own.model_dump().values())
    given = YAML(typ="safe", pure=True).load((tree / "params.yaml").read_text(encoding="utf-8"))
    own = given.get("own") if isinstance(given, dict) else None
    return [path for path in own.values() if isinstance(path, str)] if isinstance(own, dict) else []


def _share(source: Path, target: Path) -> None:
    """Copies the user's own data, which git does not know; an absolute path is the same from everywhere.

    No links: an edit in place would change what a stage is reading, and DVC would record the new bytes with it.
    """
    if source == target or not source.exists():
        return
    if source.resolve() in target.resolve().parents:
        raise Refusal(f"own: {source}", "holds the whole project", "name a folder of its own for your files")
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_copy, dirs_exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy(str(source), str(target))


def _copy(source: str, target: str) -> None:
    if not Path(target).exists():  # else it is git's own
        shutil.copy2(source, target)


def _remove_oldest(newest: Worktree) -> None:
    others = [home for home in newest.home.parent.iterdir() if home.is_dir() and home != newest.home]
    for home in sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT - 1 :]:
        handle = lock.take(home / "lock")
        if handle is None:
            continue  # at work
        try:
            _delete(Worktree(home, newest.main))
        finally:
            os.close(handle)
