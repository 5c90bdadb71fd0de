"""What DVC would run here, for whoever looks ahead: every stage of the graph, what it needs, and which are due."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from tasks.ledger.target import Target, of_command
from tasks.refusal import Refusal


class Planned(NamedTuple):
    """One stage: its target, the names of those it needs, whether it is due, and its outputs' bytes by dvc.lock."""

    name: str
    target: Target
    needs: tuple[str, ...]
    due: bool
    bytes: int | None  # None where dvc.lock does not know them


class Plan(NamedTuple):
    """The graph, each stage after all it needs, and how often DVC holds the bytes of an output."""

    stages: tuple[Planned, ...]
    copies: int  # 2 where the cache's files are copied into the tree, 1 where they are linked

    def due(self, stage: str) -> bool:
        """Whether any of this stage (`sft`, `prepare`) has to run."""
        return any(one.due for one in self.stages if one.target.stage == stage)


def read() -> Plan | None:
    """The plan of the project in the working directory; None where DVC does not manage it."""
    if not Path(".dvc").is_dir():
        return None
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    with Repo(str(Path.cwd())) as repo:
        try:
            graph = repo.index.graph  # its edges lead from a stage to what it needs
        except DvcException as error:
            cause = f"DVC cannot read the graph ({' '.join(str(error).split())[:200]})"
            raise Refusal("dvc.yaml", cause, "mend dvc.yaml, or what it takes from params.yaml") from error
        try:
            changed = {name.rpartition(":")[2] for name in repo.status()}
        except DvcException:  # another dvc is at work: nobody can say, so everything may have to run
            changed = {_name(stage) for stage in graph}
        found = {_name(stage): _planned(stage, graph, changed) for stage in graph}
        kinds = set(str(repo.config["cache"].get("type") or "reflink,copy").replace(" ", "").split(","))
    ordered = _ordered({name: one for name, one in found.items() if one is not None})
    return Plan(ordered, 1 if kinds & {"hardlink", "symlink"} else 2)


def _planned(stage: Any, graph: Any, changed: set[str]) -> Planned | None:
    target = of_command(stage.cmd) if isinstance(getattr(stage, "cmd", None), str) else None
    if target is None:
        return None
    sizes = [getattr(out.meta, "size", None) for out in stage.outs]
    whole = [size for size in sizes if size is not None]
    known = sum(whole) if whole and len(whole) == len(sizes) else None
    needs = tuple(sorted(_name(need) for need in graph.successors(stage)))
    return Planned(_name(stage), target, needs, _name(stage) in changed, known)


def _ordered(found: dict[str, Planned]) -> tuple[Planned, ...]:
    """Each after what it needs; what needs a due stage is due."""
    done: dict[str, Planned] = {}

    def visit(name: str) -> None:
        if name in done or name not in found:
            return
        for need in found[name].needs:
            visit(need)
        due = found[name].due or any(done[need].due for need in found[name].needs if need in done)
        done[name] = found[name]._replace(due=due)

    for name in sorted(found):
        visit(name)
    return tuple(done.values())


def _name(stage: Any) -> str:
    return getattr(stage, "name", None) or stage.path_in_repo
