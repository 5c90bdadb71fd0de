"""Counts what a process writes below its working directory, and kills its whole group at one of these writes.

Python imports this file before anything else where its folder is on PYTHONPATH; bench/chaos.py puts it there. The kill
comes just before the n-th file is opened, moved or removed: the file before it may be open and half written.
"""

import atexit
import os
import signal
import sys
from collections.abc import Callable

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
EVENTS = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"})


def watch(at: int | None, within: str = "") -> Callable[[], int]:
    """Tells how many writes there were, to paths that have `within` in them; the process dies at the `at`-th."""
    here, seen, own = os.getcwd(), 0, os.getpid()

    def heard(event: str, given: tuple) -> None:
        nonlocal seen
        if event not in EVENTS or os.getpid() != own:
            return
        path = given[0]
        if event == "open" and not (isinstance(path, str | os.PathLike) and given[2] & WRITES):
            return
        if not isinstance(path, str | os.PathLike) or not os.path.abspath(path).startswith(here):
            return
        if "__pycache__" in str(path) or within not in str(path):
            return
        seen += 1
        if seen == at:
            os.killpg(0, signal.SIGKILL)

    sys.addaudithook(heard)
    return lambda: seen


def of_environment() -> None:
    """Nothing; watches the processes of the modules that CHAOS_MODULES names (`python -m`), and no other."""
    modules, words = os.environ.get("CHAOS_MODULES", "").split(), sys.orig_argv
    module = words[words.index("-m") + 1] if "-m" in words else ""
    if module not in modules:
        return
    at, own = os.environ.get("CHAOS_AT"), os.getpid()
    writes = watch(int(at) if at else None)

    def leave() -> None:
        found = writes()
        with open(f"{os.environ['CHAOS_COUNT']}.{module}", "w") as file:
            file.write(str(found))

    if "CHAOS_COUNT" in os.environ:
        atexit.register(lambda: leave() if os.getpid() == own else None)


of_environment()
