"""dvc as the flow calls it, `python -P flows/whole_dvc.py ARGS`: what it records is whole, and of what it ran.

DVC empties dvc.lock and then writes it, 0.5 s for a hundred stages and seconds on a busy machine: a kill meanwhile
loses what was in it. And it hashes params.yaml and code again after a stage's command, when it may have waited for
another's commit: an edit made meanwhile would be recorded with a result that it did not make.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from dvc import dvcfile
from dvc.exceptions import DvcException
from dvc.stage import Stage

_modify, _save_deps = dvcfile.modify_yaml, Stage.save_deps


@contextmanager
def modified(path: str, fs: Any = None) -> Iterator[Any]:
    """DVC's `modify_yaml`, on a copy that takes the file's place once it is written to its end."""
    fresh = f"{path}.new"  # DVC's own lock keeps other writers away
    with suppress(FileNotFoundError):
        os.unlink(fresh)  # of one that was killed
    if os.path.exists(path):
        shutil.copy(path, fresh)
    try:
        with _modify(fresh) as data:
            yield data
        with open(fresh, "rb") as written:
            os.fsync(written.fileno())
        os.replace(fresh, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(fresh)
        raise


def save_deps(self: Stage, allow_missing: bool = False) -> None:
    """DVC's own, once before the stage's command and once after; a DvcException where they differ."""
    _save_deps(self, allow_missing)
    found = {str(dep): dep.hash_info for dep in self.deps}
    before = self.__dict__.setdefault("found_before", found)
    edited = sorted(name for name, hashed in found.items() if hashed != before.get(name))
    if edited:
        raise DvcException(f"{', '.join(edited)}: edited while it ran; nothing is recorded; run again")


if __name__ == "__main__":
    from dvc.cli import main

    dvcfile.modify_yaml, Stage.save_deps = modified, save_deps  # type: ignore[assignment]
    sys.exit(main(sys.argv[1:]))
