"""The flow behind Prefect's Run button: params.yaml as the form has it, in a worktree, kept as a DVC experiment."""

import json
import os
import re
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.runtime import deployment, flow_run
from prefect.states import Completed, Failed, State

from flows import ahead, graph, page, pipeline, scores, stage_process, worktree
from flows.deploy import FLOW
from flows.form import EVERYTHING, fill_in
from flows.repository import dvc, git
from flows.terminal import record_of
from tasks.ledger import environment
from tasks.refusal import Refusal

FORM = (
    "params.yaml",
    "dvc.yaml",
    "tasks/methods",
    "tasks/parameters.py",
    "tasks/sections",
    "tasks/settings.py",
)  # what it shows


@flow(name=FLOW, persist_result=False)
def experiment(
    until: str = EVERYTHING,
    branches: list[str] | None = None,
    seeds: list[int] | None = None,
    parameters: dict[str, Any] | None = None,
    commit: str | None = None,
) -> State:
    """Every stage up to `until` of these branches and seeds, under these parameters; what is None is as in HEAD.

    commit: of the form that was filled in.
    """
    environment.die_with_parent()  # with the worker, whose Cancel could not reach this process any more
    stage_process.begin()
    form = {"branches": branches, "seeds": seeds, "parameters": parameters or {}}

    def fill(tree: Path) -> None:
        if any(form.values()):  # a scheduled run fills in nothing
            _require_current_form(tree, commit or deployment.version)
        fill_in(git(tree, "show", "HEAD:params.yaml"), tree / "params.yaml", **form)
        if until not in (EVERYTHING, *graph.groups(tree)):
            place, cure = f"until: {until}", "choose another stage, or a branch that has it"
            raise Refusal(place, "none of the chosen branches has this stage", cure)

    try:
        with worktree.held(str(flow_run.id), fill) as one:
            try:
                return _run(one, until)
            except BaseException:  # cancelled, killed: Prefect itself would leave the stages running
                stage_process.stop_all()
                raise
    except Refusal as refusal:
        return Failed(message=str(refusal))


def _run(one: worktree.Worktree, until: str) -> State:
    os.chdir(one.tree)
    page.tag(f"commit:{git(one.tree, 'rev-parse', '--short=10', 'HEAD')}")
    stages = graph.read()
    wanted = stages if until == EVERYTHING else graph.up_to(stages, until)
    for line in ahead.require(ahead.begin(one.tree)):
        get_run_logger().warning(line)
    final = pipeline.outcome(pipeline.submit(wanted, one.logs))
    scores.track(flow_run.id).wait()
    if not final.is_completed():
        return final  # the worktree stays for Retry, and what lies there of HEAD's is not this run's
    page.tag_sft({stage.name for stage in wanted})
    page.show_links({record_of(stage.name) for stage in wanted})
    kept = save(one.tree)
    os.chdir(one.main)
    worktree.remove(one)
    return Completed(message=f"{final.message}; {kept}")


def save(tree: Path) -> str:
    """Keeps the worktree's state as a DVC experiment, if DVC finds that everything in it is up to date.

    `dvc exp save` commits whatever lies there: of a stage that did not run it would record the old result as the new.
    """
    status = json.loads(dvc(tree, "status", "--json"))
    if status:
        stages = ", ".join(sorted(name.rpartition(":")[2] for name in status))
        return f"no experiment is saved, as these are not up to date: {stages}; what ran is in DVC's cache"
    name = _experiment_name()
    # the one result that is git's, so that `dvc exp show` has its numbers
    dvc(tree, "exp", "save", "--force", "--name", name, "--include-untracked", "reports/comparison.json")
    return f"saved as experiment {name}: `dvc exp show`, `dvc exp apply {name}`"


def _experiment_name() -> str:
    """Of the run's name, which one types in the form or Prefect invents, and its id, so that no other is replaced."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", str(flow_run.name)).strip("-") or "run"
    return f"{plain}-{str(flow_run.id)[:8]}"


def _require_current_form(tree: Path, shown: str | None) -> None:
    """A Refusal when the form of commit `shown` has another params.yaml than the worktree."""
    if not shown:
        return  # called without a form
    changed = git(tree, "diff", "--name-only", shown, "HEAD", "--", *FORM)
    if changed:
        files = ", ".join(changed.split())
        raise Refusal(
            f"the form of commit {shown}",
            f"HEAD has changed since: {files}",
            "run `make deploy`, reload the page and fill it in again",
        )
