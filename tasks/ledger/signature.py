"""What a stage's `run` asks for by the names of its arguments, and where each comes from.

The names are read from the source, so that a stage that waits for a GPU or a core has not imported torch yet:
a dozen branches may be waiting.
"""

from __future__ import annotations

import ast
import difflib
import gc
import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

from tasks import parameters
from tasks.ledger.target import Target
from tasks.refusal import Refusal
from tasks.settings import FAMILIES, Branch

FOLDER = Path("tasks")


class Signature:
    """One stage for one target; params.yaml is read anew by every call."""

    def __init__(self, target: Target, folder: Path = FOLDER):
        self._target = target
        self._asked = _asked(target.stage, folder)

    def asks_for(self, name: str) -> bool:
        return name in self._asked

    def settings(self) -> dict[str, Any]:
        """The sections of params.yaml that it reads, as they stand now, named as dvc.lock names them."""
        every = parameters.read()
        used = {
            name: getattr(every, name) for name in self._asked if name in parameters.Parameters.model_fields
        }
        if "entry" in self._asked:
            family, entry = self._entry(every)
            used[f"branches.{family}.{self._target.branch}"] = entry
        return {name: _plain(value) for name, value in used.items()}

    def method(self) -> str | None:
        """The method of the target's branch."""
        return self._entry(parameters.read())[1].method if self._target.branch else None

    def call(self, **more: Any) -> dict[str, Any] | None:
        """Imports and runs the stage; `more` is what neither params.yaml nor the command line holds."""
        every = parameters.read()
        known = {name: getattr(every, name) for name in parameters.Parameters.model_fields}
        known |= self._target.given() | more
        if "entry" in self._asked:
            known["entry"] = self._entry(every)[1]
        for name in self._asked:
            if name not in known:
                raise Refusal(
                    "command line", f"stage {self._target.stage} needs --{name}", "see its cmd in dvc.yaml"
                )
        stage = _imported(f"tasks.{self._target.stage}")
        return stage.run(**{name: known[name] for name in self._asked})

    def _entry(self, every: parameters.Parameters) -> tuple[str, Branch]:
        for family in FAMILIES:
            entries = getattr(every.branches, family)
            if self._target.branch in entries and self._target.family in (None, family):
                return family, entries[self._target.branch]
        place = f"params.yaml: branches.{self._target.family or ''}".rstrip(".")
        cure = f"entries are {', '.join(every.branches.entries()) or 'none'}"
        raise Refusal(place, f"there is no entry {self._target.branch!r}", cure)


def _imported(name: str) -> ModuleType:
    """The module. What torch and transformers make on import stays, so searching it for garbage is a fifth wasted."""
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        gc.freeze()
        gc.enable()


def _asked(stage: str, folder: Path) -> list[str]:
    known = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    if stage in known:
        for node in ast.parse((folder / f"{stage}.py").read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name == "run":
                return [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)]
    near = difflib.get_close_matches(stage, known, n=1)
    cure = f"did you mean {near[0]!r}?" if near else "dvc.yaml names the stages"
    raise Refusal("command line", f"there is no stage {stage!r}", cure)


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value
