"""The results that DVC holds, as dvc.lock names them: read without importing DVC."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tasks.ledger.journal import CURVES
from tasks.ledger.target import Target, of_command
from tasks.refusal import Refusal

METRICS = Path("reports/metrics")


@dataclass(frozen=True)
class Held:
    """One record whose files here are the ones in dvc.lock, and what they were made from."""

    target: Target
    settings: dict[str, Any]  # as dvc.lock has them: by section or dotted name
    inputs: list[Path]  # direct dependencies that are here as they were then
    ancestors: set[Path]  # all the outputs it descends from that are here as they were then


def content(record: str) -> str:
    """SHA-256 of the record's name, metrics and curve: what ties an MLflow run to what DVC holds."""
    whole = hashlib.sha256(record.encode())
    for path in (METRICS / f"{record}.json", CURVES / f"{record}.jsonl"):
        whole.update(path.read_bytes() if path.exists() else b"")
    return whole.hexdigest()


def records(path: Path = Path("dvc.lock")) -> Iterator[Held]:
    """Every record of dvc.lock whose metrics file is here, unchanged."""
    lock = Lock(path)
    for name, stage in lock.stages.items():
        target = of_command(stage["cmd"]) if isinstance(stage["cmd"], str) else None
        if target is not None and lock.is_here(name, (METRICS, CURVES)):
            yield Held(target, lock.settings(name), lock.inputs(name), lock.ancestors(name))


class Lock:
    """dvc.lock."""

    def __init__(self, path: Path = Path("dvc.lock")):
        self.stages: dict[str, Any] = _yaml(path).get("stages", {})

    @cached_property
    def _makers(self) -> dict[str, tuple[str, str]]:
        """Output path -> the stage that made it and its hash."""
        return {
            out["path"]: (name, out.get("md5", ""))
            for name, stage in self.stages.items()
            for out in stage.get("outs", [])
        }

    def settings(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for values in self.stages[name].get("params", {}).values():
            found |= values
        return found

    def is_here(self, name: str, folders: tuple[Path, ...]) -> bool:
        """Whether the stage made files in these folders and they are unchanged."""
        outs = [out for out in self.stages[name].get("outs", []) if Path(out["path"]).parent in folders]
        return bool(outs) and all(_md5(Path(out["path"])) == out.get("md5") for out in outs)

    def is_as_read(self, name: str, path: Path) -> bool:
        """Whether this dependency of the stage, a file or a folder, is here as the stage read it."""
        read = [dep.get("md5") for dep in self.stages[name].get("deps", []) if dep["path"] == path.as_posix()]
        return bool(read) and read[0] in (_md5(path), _folder_md5(path))

    def read(self, path: Path) -> bytes:
        """The bytes of a stage's output; a Refusal where they are not the ones that dvc.lock holds."""
        found, held = _md5(path), self.md5(path)
        if held is None:
            raise Refusal(str(path), "dvc.lock holds no such result", "run `make run`")
        if found != held:
            cause = "is not here" if found is None else "is not the file that dvc.lock holds"
            raise Refusal(str(path), cause, "run `make run`, or bring both back as they were")
        return path.read_bytes()

    def md5(self, path: Path) -> str | None:
        """The hash of a stage's output, None for what no stage made."""
        return self._makers.get(path.as_posix(), ("", None))[1]

    def inputs(self, name: str) -> list[Path]:
        """Outputs of other stages that this one read, where they are still the same."""
        return [Path(dep["path"]) for dep in self.stages[name].get("deps", []) if self._is_as_then(dep)]

    def ancestors(self, name: str) -> set[Path]:
        """The stage's own outputs, what it read, what those were made from, and so on."""
        found: set[Path] = {Path(out["path"]) for out in self.stages[name].get("outs", [])}
        for path in self.inputs(name):
            found |= {path} | self.ancestors(self._maker(path))
        return found

    def _maker(self, path: Path) -> str:
        """The stage that made this file, alone or in a folder; empty for what no stage made."""
        for place in (path, *path.parents):
            if place.as_posix() in self._makers:
                return self._makers[place.as_posix()][0]
        return ""

    def _is_as_then(self, dep: dict[str, Any]) -> bool:
        """Whether a dependency is another stage's output and still what this stage read."""
        path = Path(dep["path"])
        if dep["path"] in self._makers:
            return path.exists() and dep.get("md5") == self._makers[dep["path"]][1]
        return bool(self._maker(path)) and dep.get("md5") == _md5(path)


def _md5(path: Path) -> str | None:
    return hashlib.md5(path.read_bytes()).hexdigest() if path.is_file() else None  # DVC's own hash


def _folder_md5(path: Path) -> str | None:
    """DVC's hash of a folder: that of the list of its files with theirs."""
    if not path.is_dir():
        return None
    files = {one.relative_to(path).as_posix(): one for one in path.rglob("*") if one.is_file()}
    listed = [{"md5": _md5(files[name]), "relpath": name} for name in sorted(files)]
    return hashlib.md5(json.dumps(listed, sort_keys=True).encode()).hexdigest() + ".dir"


def _yaml(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")) or {}
