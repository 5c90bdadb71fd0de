"""Whether DVC can record a result here: known before it is computed, and again before its checkpoints are given up."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from tasks.ledger import graph
from tasks.ledger.target import Target
from tasks.refusal import Refusal

OWN = 4 * 2**20  # bytes that DVC writes beside the outputs: dvc.lock, its locks, an entry of its run cache
FULL = ("the disk is full", "make room, for instance by `dvc gc --workspace`")
LOCKED = ("it cannot be written to", "make it writable, or mount it so")
TROUBLES = {  # the system's words
    os.strerror(errno.ENOSPC): FULL,
    os.strerror(errno.EDQUOT): FULL,
    os.strerror(errno.EROFS): LOCKED,
    os.strerror(errno.EACCES): LOCKED,
}


def require(target: Target, made: Iterable[Path] = ()) -> None:
    """A Refusal unless dvc.lock and DVC's cache can be written to, the latter with room for what was made.

    made: outputs that are there; on the cache's own filesystem DVC links them, elsewhere it copies.
    """
    cache = graph.cache(target)
    if cache is None:
        return
    there = next(
        folder for folder in (cache, *cache.parents) if folder.is_dir()
    )  # DVC makes it when it needs it
    device = there.stat().st_dev
    copied = sum(_bytes(path) for path in made if path.exists() and path.stat().st_dev != device)
    for folder, needed in ((Path.cwd(), OWN), (Path(".dvc", "tmp").resolve(), OWN), (there, OWN + copied)):
        _require(folder, needed)


def _require(folder: Path, needed: int) -> None:
    if not os.access(folder, os.W_OK):
        raise Refusal(str(folder), *LOCKED)
    found = os.statvfs(folder)
    left = found.f_bavail * found.f_frsize
    if left < needed:
        cause, cure = FULL
        raise Refusal(
            str(folder), f"{cause}: {left / 2**20:.1f} MiB of {needed / 2**20:.1f} that it takes", cure
        )


def _bytes(path: Path) -> int:
    members = path.rglob("*") if path.is_dir() else [path]
    return sum(one.stat().st_size for one in members if one.is_file())


def trouble(error: BaseException) -> tuple[str, str] | None:
    """Cause and cure, where the error is the system's about a disk."""
    known = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
    number = error.errno if isinstance(error, OSError) else None
    text = str(error)
    for code in known:
        if number == code or os.strerror(code) in text:
            return TROUBLES[os.strerror(code)]
    return None
