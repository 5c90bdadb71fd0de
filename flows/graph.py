"""DVC's graph and DVC's word on what is current; asked once, before anything runs."""

import threading
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from dvc.dependency.param import ParamsDependency
from dvc.exceptions import DvcException
from dvc.repo import Repo

from tasks.ledger.scratch import fingerprint

_one_at_a_time = threading.Lock()  # DVC in one process is not made for threads


@dataclass(frozen=True)
class Stage:
    """One stage of dvc.yaml: its name, the names of those it needs, and its `meta:` for an orchestrator."""

    name: str
    needs: tuple[str, ...]
    current: bool  # its own inputs and outputs are as dvc.lock has them
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """Its name in dvc.yaml: align-pairs for align-pairs@dpo-0."""
        return self.name.partition("@")[0]


def read(root: Path | None = None) -> list[Stage]:
    """The stages, each after all it needs."""
    with Repo(str(root or Path.cwd())) as repo:
        needs, changed = _needs(repo), _changed(repo)
        metas = {_name(stage): stage.meta or {} for stage in repo.index.graph}
    return [
        Stage(name, tuple(sorted(needs[name])), changed is not None and name not in changed, metas[name])
        for name in _ordered(needs)
    ]


def groups(root: Path) -> list[str]:
    """The stages' names in dvc.yaml, in the order of `read`, without asking what is current."""
    with Repo(str(root)) as repo:
        return list(dict.fromkeys(name.partition("@")[0] for name in _ordered(_needs(repo))))


def _needs(repo: Repo) -> dict[str, set[str]]:
    graph = repo.index.graph  # its edges lead from a stage to what it needs
    return {_name(stage): {_name(need) for need in graph.successors(stage)} for stage in graph}


def _ordered(needs: dict[str, set[str]]) -> list[str]:
    return list(TopologicalSorter({name: sorted(needs[name]) for name in sorted(needs)}).static_order())


def up_to(stages: list[Stage], group: str) -> list[Stage]:
    """The stages of this name in dvc.yaml and all they need."""
    wanted = {one.name for one in stages if one.group == group}
    for one in reversed(stages):
        if one.name in wanted:
            wanted |= set(one.needs)
    return [one for one in stages if one.name in wanted]


def identity(name: str) -> str:
    """64 hex digits over all that decides the stage's result, alike in every worktree; its name if DVC cannot say."""
    with _one_at_a_time, Repo(str(Path.cwd())) as repo:
        try:
            stage = repo.stage.load_one("dvc.yaml", name=name)
            params = [one for one in stage.deps if isinstance(one, ParamsDependency)]
            settings = {str(_here(one)): one.read_params() for one in params}
            inputs = [_here(one) for one in stage.deps if one not in params]
            return fingerprint({"cmd": stage.cmd, **settings}, inputs)
        except (DvcException, OSError):
            return name


def _here(dep: Any) -> Path:
    path, here = Path(dep.fs_path), Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _name(stage: Any) -> str:
    """Not `addressing`, which depends on the folder that we are in."""
    return getattr(stage, "name", None) or stage.path_in_repo


def _changed(repo: Repo) -> set[str] | None:
    """Stages that differ from dvc.lock; None when DVC cannot say, as while another dvc is at work."""
    try:
        return {name.rpartition(":")[2] for name in repo.status()}
    except DvcException:
        return None
