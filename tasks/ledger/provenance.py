"""The guard against results of one version recorded under another.

DVC hashes params.yaml and the code again after a stage's command, so an edit made meanwhile would be recorded
with numbers it did not make, and `dvc status` be green. A stage that refuses at its end records nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasks.ledger.scratch import digest
from tasks.refusal import Refusal

Settings = dict[str, Any]
EDITED = "edited while it ran; nothing is recorded"


class Snapshot:
    """The code as it stood before the stage was imported, and the settings it reads; `check()` at its end."""

    def __init__(self, folder: Path = Path("tasks")):
        self._folder = folder.resolve()
        self._code = _digests(self._folder)
        self._read: Callable[[], Settings] = dict
        self._settings: Settings = {}
        self._method: str | None = None

    def watch(self, read: Callable[[], Settings], method: str | None = None) -> Settings:
        """What `read` says that params.yaml holds now; `method` is the branch's, if any."""
        self._read, self._method = read, method
        self._settings = read()
        return self._settings

    def check(self) -> None:
        """A Refusal if what the stage used was edited while it ran."""
        now, then = flat(self._read()), flat(self._settings)
        changed = sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))
        if changed:
            raise Refusal("params.yaml", f"{', '.join(changed)} {EDITED}", "run again")
        present = _digests(self._folder)
        for path in sorted(self._used(self._code.keys() | present.keys())):
            if self._code.get(path) != present.get(path):
                place = str(path.relative_to(self._folder.parent))
                raise Refusal(place, EDITED, "run again")

    def _used(self, paths: set[Path]) -> set[Path]:
        """Modules that were loaded, and every file that is no module."""
        files = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
        loaded = {Path(file).resolve() for file in files if f"/{self._folder.name}/" in file}
        main = self._folder / "__main__.py"
        return {p for p in paths if (p.suffix != ".py" or p in loaded or p == main) and not self._foreign(p)}

    def _foreign(self, path: Path) -> bool:
        """Other branches' methods: reading params.yaml loads them, but these numbers come from one."""
        return path.parent.name == "methods" and path.stem not in (self._method, "__init__")


def flat(settings: Settings, prefix: str = "") -> Settings:
    """Nested settings as dotted names; a list stays one value."""
    lines: Settings = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            lines |= flat(value, f"{prefix}{name}.")
        else:
            lines[f"{prefix}{name}"] = value
    return lines


def _digests(folder: Path) -> dict[Path, str]:
    kept = (p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return {path: digest(path) for path in kept}
