"""What DVC's graph says of the stage at work; asked of DVC itself, whose templates are not for us to parse again."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from tasks.ledger.target import Target, of_command
from tasks.refusal import Refusal

READS = 50  # of a file that is being written, a tenth of a second apart


def inputs(target: Target) -> list[Path] | None:
    """Files and folders that dvc.yaml names as this target's dependencies, code too; None without a stage."""
    stage = _stage(target)
    if stage is None:
        return None
    from dvc.dependency.param import ParamsDependency

    return sorted(_path(dep) for dep in stage.deps if not isinstance(dep, ParamsDependency))


def standing() -> dict[str, bool]:
    """Every stage of dvc.yaml after all it needs -> whether what lies here is its result by dvc.lock.

    A Refusal where DVC cannot say, as while another dvc is at work here.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(Path.cwd())) as repo:
            graph = repo.index.graph  # its edges lead from a stage to what it needs
            needs = {stage.name: sorted(one.name for one in graph.successors(stage)) for stage in graph}
            changed = {name.rpartition(":")[2] for name in repo.status()}
    except DvcException as error:
        cause = " ".join(str(error).split())
        raise Refusal(
            "dvc status", cause, "run `python -m tasks receipt` when nothing else is at work"
        ) from error
    ordered = TopologicalSorter({name: needs[name] for name in sorted(needs)}).static_order()
    return {name: name not in changed for name in ordered}


def owns(target: Target, path: Path) -> bool:
    """Whether this is one of the target's outputs; where DVC has no stage for it, it may write what it likes."""
    stage = _stage(target)
    return stage is None or path in {_path(out) for out in stage.outs}


def outputs(target: Target) -> list[Path]:
    """The files and folders that DVC will keep of this target; none without a stage."""
    return [_path(out) for out in getattr(_stage(target), "outs", [])]


def cache(target: Target) -> Path | None:
    """The folder that DVC keeps results in; None without a stage."""
    stage = _stage(target)
    return None if stage is None else Path(stage.repo.cache.local.path)


def former(target: Target, path: Path) -> Path | None:
    """The file in DVC's cache that this output is by dvc.lock: DVC removes the one at `path` before a stage runs."""
    outs = getattr(_stage(target), "outs", [])
    hashed = [Path(out.cache_path) for out in outs if _path(out) == path and out.hash_info]
    return hashed[0] if hashed and hashed[0].is_file() else None


@functools.cache
def _stage(target: Target) -> Any:
    if not Path(".dvc").is_dir():
        return None
    from dvc.utils.strictyaml import YAMLSyntaxError, YAMLValidationError

    left = READS
    while True:
        try:
            return _found(target)
        except (YAMLSyntaxError, YAMLValidationError):  # of dvc.lock, while another stage's dvc is writing it
            left -= 1
            if not left:
                raise
            time.sleep(0.1)


def _found(target: Target) -> Any:
    from dvc.repo import Repo

    with Repo(str(Path.cwd())) as repo:
        for stage in _stages(repo):
            command = getattr(stage, "cmd", None)
            if isinstance(command, str) and of_command(command) == target:
                return stage
    return None


def _stages(repo: Any) -> Iterator[Any]:
    """The stage that dvc says it is running, which is quick to get; then all of them."""
    from dvc.exceptions import DvcException
    from dvc.utils.strictyaml import YAMLSyntaxError, YAMLValidationError

    name = os.environ.get("DVC_STAGE")
    if name:
        try:
            yield repo.stage.load_one("dvc.yaml", name=name.rpartition(":")[2])
        except (YAMLSyntaxError, YAMLValidationError):
            raise
        except DvcException:
            pass  # the name is inherited, and of another project
    yield from repo.index.stages


def _path(thing: Any) -> Path:
    path = Path(thing.fs_path)
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
