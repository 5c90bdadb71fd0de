"""MLflow as a view of what DVC holds: it can be empty, away or deleted without any harm.

reports/metrics and reports/curves are the record. Long trainings forward curves (forwarding.py); `track`
makes every run that the store lacks: of short stages, results from DVC's cache, and all in a fresh store.
"""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.ledger import costs, held, lock, run, state, store
from tasks.ledger.forwarding import followed
from tasks.ledger.journal import CURVES
from tasks.ledger.run import CONTENT, Card
from tasks.ledger.scratch import digest
from tasks.ledger.target import Target
from tasks.refusal import Refusal

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["followed", "runs", "track"]

REPORT = Path("reports/comparison.html")


def track() -> str:
    """Makes the runs that the store lacks of what DVC holds; says what it did."""
    every = list(held.records())
    if not every:
        return "MLflow: DVC holds no results yet"
    try:
        with lock.held(state.folder("locks") / "track"):  # two at once would make every run twice
            client, experiment = store.opened()
            known = _known(client, experiment)
            missing = [one for one in every if held.content(one.target.record) not in known]
            for one in missing:
                _make(client, experiment, one, _method_of(one, every))
            added = len(missing) + _send_report(client, experiment, known)
    except Exception as error:
        place = f"MLflow at {store.shown()}"
        cure = "start it, or unset MLFLOW_TRACKING_URI; then run `python -m tasks track`"
        raise Refusal(place, f"the store cannot be used ({run.cause(error)})", cure) from error
    return f"MLflow at {store.shown()}: {added} runs added, {len(every) - len(missing)} were there"


def runs() -> dict[str, str]:
    """Record -> the id of its run, of all that DVC holds and MLflow knows; `experiment` -> the experiment's id."""
    client, experiment = store.opened()
    known = _known(client, experiment)
    contents = {one.target.record: held.content(one.target.record) for one in held.records()}
    contents["compare"] = _report() or ""
    return {"experiment": experiment} | {
        record: known[content] for record, content in contents.items() if content in known
    }


def _send_report(client: MlflowClient, experiment: str, known: dict[str, str]) -> bool:
    """Makes the run of stage compare, whose one file is the report; says whether there was something to do."""
    content = _report()
    if content is None or content in known:
        return False
    card = Card(Target("compare"), {}, {**run.lineage(held.Lock().ancestors("compare")), **run.process()})
    made = run.create(client, experiment, card, run.now())
    client.log_artifact(made, str(REPORT))
    run.end(client, made, "FINISHED", (run.now(), {"step": 0}), {CONTENT: content})
    return True


def _report() -> str | None:
    """The content of stage compare's run, which holds no metrics; None unless the report is what DVC holds."""
    lock = held.Lock()
    is_held = "compare" in lock.stages and lock.is_here("compare", (REPORT.parent,))
    return digest(REPORT) if is_held and REPORT.exists() else None


def _known(client: MlflowClient, experiment: str) -> dict[str, str]:
    """Contents -> the run they have; a run whose process died without a word is ended on the way."""
    from mlflow.entities import ViewType

    found, token = {}, None
    while True:
        # deleted ones count: who deletes a run in the UI does not want it back
        page = client.search_runs([experiment], "", ViewType.ALL, max_results=1000, page_token=token)
        for one in page:
            if CONTENT in one.data.tags:
                found[one.data.tags[CONTENT]] = one.info.run_id
            if one.info.status == "RUNNING" and _is_dead(one.data.tags):
                client.set_terminated(one.info.run_id, "FINISHED" if CONTENT in one.data.tags else "KILLED")
        token = page.token
        if not token:
            return found


def _is_dead(tags: dict[str, str]) -> bool:
    if tags.get("process.host") != platform.node() or not tags.get("process.id", "").isdecimal():
        return False
    try:
        os.kill(int(tags["process.id"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def _make(client: MlflowClient, experiment: str, one: held.Held, method: str | None) -> None:
    record, content = one.target.record, held.content(one.target.record)
    spent = costs.read(record)
    if spent.get("content") != content:
        spent = {}  # made elsewhere, or before: nothing is known of its time and its commit
    tags = {**run.lineage(one.ancestors), **spent.get("code", {}), **run.process()}
    card = Card(one.target, one.settings, tags, one.inputs, method)
    made = run.create(client, experiment, card, spent.get("started", run.now()))
    run.describe(client, made, card)
    curve, ended = CURVES / f"{record}.jsonl", spent.get("ended", run.now())
    run.send(client, made, [(ended, line) for line in run.whole_lines(curve)[1]])
    metrics = json.loads((held.METRICS / f"{record}.json").read_text(encoding="utf-8"))
    run.end(client, made, "FINISHED", (ended, {"step": run.last_step(curve), **metrics}), {CONTENT: content})


def _method_of(one: held.Held, every: list[held.Held]) -> str | None:
    """The method of the branch that an evaluation is about, as the branch's own record has it."""
    branch, _ = one.target.trained
    for other in every:
        for section, value in other.settings.items():
            if section.startswith("branches.") and section.endswith(f".{branch}") and isinstance(value, dict):
                return value.get("method")
    return None
