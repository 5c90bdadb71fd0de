"""What decides a judge's verdict, as one hash: two scores are of one judge only where it is the same."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

TASKS = Path(__file__).resolve().parents[1]
JUDGES = {"exact": "tasks.corpus.exact_judge", "rouge": "tasks.measures.rouge"}  # of tasks/measures/gold.py
PACKAGES = {"exact": (), "rouge": ("kiwipiepy", "kiwipiepy_model", "rouge_score")}  # that cut and count words


def sha256(kind: str) -> str:
    """Of a judge's code, its own and all that it imports of the project, and of the packages' versions, 64 digits."""
    known = [(package, metadata.version(package)) for package in PACKAGES[kind]]
    files = sorted({TASKS / "measures/gold.py", *closure(_path(JUDGES[kind]))})
    known += [
        (path.relative_to(TASKS).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files
    ]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()


def closure(start: Path) -> set[Path]:
    """The file and those of tasks/corpus and tasks/measures that it imports, directly or not."""
    found, waiting = set(), [start]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imported(path)
    return found


def _imported(path: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith(("tasks.corpus", "tasks.measures")) and _path(name).is_file():
                yield _path(name)


def _path(module: str) -> Path:
    """A module's file, whether it is there or not."""
    place = TASKS.parent.joinpath(*module.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
