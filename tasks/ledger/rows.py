"""What DVC holds of a record as a run of MLflow's, made after the fact.

An evaluation's run is the row to compare by: beside the evaluator's scores, whose names mean the same in every branch,
it has the settings, the data and the curve of the training that it is about.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.ledger import costs, held, run
from tasks.ledger.held import Held
from tasks.ledger.journal import CURVES

if TYPE_CHECKING:
    from mlflow import MlflowClient

MODELS = Path("models")


def make(client: MlflowClient, experiment: str, one: Held, every: list[Held]) -> None:
    """The record's run, finished; every: all records, among which is the training that it may be about."""
    record, trained = one.target.record, _trained(one, every)
    spent = costs.read(record)
    if spent.get("content") != held.content(record):
        spent = {}  # made elsewhere, or before: nothing is known of its time and its commit
    tags = {**run.lineage(one.ancestors), **spent.get("code", {}), **run.process(), run.COPY: "true"}
    settings = (trained.settings if trained else {}) | one.settings
    trained_on = trained.inputs if trained else []
    card = run.Card(one.target, settings, tags, one.inputs, trained_on, _method_of(one, every))
    made = run.create(client, experiment, card, spent.get("started", run.now()))
    run.describe(client, made, card)
    ended = spent.get("ended", run.now())
    # SFT's own curve would only stretch the axes of the branches'
    curve = CURVES / f"{trained.target.record if trained and trained.target.branch else record}.jsonl"
    run.send(client, made, [(ended, line) for line in run.whole_lines(curve)[1]], run.CURVE)
    last = {"step": run.last_step(CURVES / f"{record}.jsonl"), **_metrics(one)}
    run.end(client, made, "FINISHED", (ended, last), {run.CONTENT: content(one, every)})


def content(one: Held, every: list[Held]) -> str:
    """What ties the record to its run: its own content, and that of the training that its run shows beside it."""
    own, trained = held.content(one.target.record), _trained(one, every)
    if trained is None:
        return own
    return hashlib.sha256(f"{own} {held.content(trained.target.record)}".encode()).hexdigest()


def score(name: str) -> str:
    """The evaluator's `greedy_gold` as MLflow shows it: its pages cut long names, so the measure comes first."""
    from tasks.measures.evaluations import DECODINGS

    decoding, _, measure = name.partition("_")
    return f"{run.EVALUATION}{measure}_{decoding}" if decoding in DECODINGS else f"{run.EVALUATION}{name}"


def _metrics(one: Held) -> dict[str, Any]:
    path = held.METRICS / f"{one.target.record}.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))
    if one.target.stage != "evaluate":
        return metrics
    return {score(name) if isinstance(value, int | float) else name: value for name, value in metrics.items()}


def _trained(one: Held, every: list[Held]) -> Held | None:
    """The training that made the model which an evaluation is about."""
    model = one.target.model
    if one.target.stage != "evaluate" or model is None or MODELS / model not in one.inputs:
        return None
    branch, seed = one.target.trained
    wanted = ("align", branch, seed) if branch else ("sft", None, None)
    return next((other for other in every if (other.target.stage, *other.target.trained) == wanted), None)


def _method_of(one: Held, every: list[Held]) -> str | None:
    """The method of the branch that a record is about, as another record of that branch has it."""
    branch, _ = one.target.trained
    for other in every:
        for section, value in other.settings.items():
            if section.startswith("branches.") and section.endswith(f".{branch}") and isinstance(value, dict):
                return value.get("method")
    return None
