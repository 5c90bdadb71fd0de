"""Locks that the kernel frees when their holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def take(path: Path, *, shared: bool = False) -> int | None:
    """The descriptor that holds the lock, or None when another process has it; closing it gives it back.

    shared: beside others who share it.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        if _still_there(path, handle):
            return handle
        os.close(handle)  # its folder was removed between our open and our lock: a lock on nothing


@contextmanager
def held(path: Path, poll_seconds: float = 0.1) -> Iterator[None]:
    """Waits until the lock is ours."""
    while (handle := take(path)) is None:
        time.sleep(poll_seconds)
    try:
        yield
    finally:
        os.close(handle)


def _still_there(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False
