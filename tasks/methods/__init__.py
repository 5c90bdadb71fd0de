"""The methods, found by file name: `tasks/methods/dpo.py` is the method `dpo`."""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path
from types import ModuleType

from tasks.refusal import Refusal

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Every method, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def load(name: str) -> ModuleType:
    """The method's module: its docstring (paper, equation), FAMILY, Config and what it trains with."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1)
        raise Refusal(
            f"tasks/methods/{name}.py",
            "there is no such method",
            f"did you mean {near[0]!r}?" if near else f"known methods: {', '.join(names())}",
        )
    return importlib.import_module(f"tasks.methods.{name}")
