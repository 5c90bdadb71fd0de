"""One record as an MLflow run: its name, its settings, what it was made from, its numbers."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.ledger.provenance import flat
from tasks.ledger.scratch import digest
from tasks.ledger.target import Target
from tasks.redaction import redacted

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput

CONTENT = "dvc.content"
TOKEN = "process.token"
COPY = "process.copies"  # made of what DVC holds, not by the training itself
BATCH_METRICS, BATCH_PARAMS = 1000, 100  # mlflow.utils.validation, as are the next two
LONGEST_VALUE, LONGEST_DIGEST = 6000, 36
DATA, SFT = Path("data/prepared"), Path("models/sft")
CURVE, EVALUATION = (
    "train/",
    "eval/",
)  # a trainer's own names, which differ by method; the evaluator's, which do not
CONTEXT = "mlflow.data.context"
PURPOSE = {"evaluate": "evaluation"} | dict.fromkeys(("base", "sft", "reward", "align"), "training")


@dataclass(frozen=True)
class Card:
    """What is known of a run when it starts."""

    target: Target
    settings: dict[str, Any]  # by section, as dvc.lock names them
    tags: dict[str, str]
    inputs: list[Path] = field(default_factory=list)
    trained_on: list[Path] = field(default_factory=list)  # inputs of the training that an evaluation is about
    method: str | None = None  # for a record that is about a branch and does not read its settings


Line = dict[str, Any]  # of a curve: {"step": 10, "loss": 0.5}
Stamped = tuple[
    int, Line
]  # with its time in ms: the same when sent twice, or MLflow would show the point twice


def create(client: MlflowClient, experiment: str, card: Card, started: int) -> str:
    """Makes the run, which began at this time in ms, and gives its id."""
    tags = {"stage": card.target.stage, "record": card.target.record, **about(card), **card.tags}
    return client.create_run(
        experiment, start_time=started, tags=tags, run_name=card.target.record
    ).info.run_id


def create_once(client: MlflowClient, experiment: str, card: Card, started: int, token: str) -> str:
    """The run of this token, made unless an attempt whose answer was lost has made it; a second one goes away."""
    if not of(client, experiment, token):
        create(client, experiment, replace(card, tags=card.tags | {TOKEN: token}), started)
    first, *others = of(client, experiment, token)
    for other in others:  # MLflow's own client asks again where an answer is lost
        client.delete_run(other)
    return first


def of(client: MlflowClient, experiment: str, token: str) -> list[str]:
    """The runs that were made under this token."""
    found = client.search_runs([experiment], f"tags.`{TOKEN}` = '{token}'")
    return sorted(one.info.run_id for one in found)


def describe(client: MlflowClient, run: str, card: Card) -> None:
    """Settings and inputs; can be repeated."""
    from mlflow.entities import Param

    every = [Param(name, value) for name, value in params(card).items()]
    for start in range(0, len(every), BATCH_PARAMS):
        client.log_batch(run, params=every[start : start + BATCH_PARAMS])
    _send_inputs(client, run, card)


def about(card: Card) -> dict[str, str]:
    """Method, family, branch and seed, as far as the record has them; the SFT model is its own method."""
    branch, seed = card.target.trained
    family, method = card.target.family, card.method
    for section, value in card.settings.items():
        parts = section.split(".")
        if parts[0] == "branches" and len(parts) == 3 and parts[2] == branch:
            family, method = parts[1], value["method"]
    method = method or card.target.model or card.target.stage
    named = {"method": method, "family": family, "branch": branch, "seed": seed}
    return {name: str(value) for name, value in named.items() if value is not None}


def params(card: Card) -> dict[str, str]:
    """Flat names; a branch's own settings stand without their path, so that branches share columns."""
    named: dict[str, Any] = {}
    for section, value in card.settings.items():
        prefix = "" if section.startswith("branches.") and section.count(".") == 2 else section
        if isinstance(value, dict):
            named |= flat(value, f"{prefix}." if prefix else "")
        else:
            named[section] = value
    named |= about(card)
    return {name[:250]: str(value)[:LONGEST_VALUE] for name, value in sorted(named.items())}


def lineage(paths: Iterable[Path]) -> dict[str, str]:
    """Tags that say which data and which SFT model a record descends from."""
    tags = {}
    if DATA in paths and DATA.exists():
        tags["data.sha256"] = _digest(DATA)
    if SFT in paths and (SFT / "manifest.json").exists():
        tags["sft.sha256"] = json.loads((SFT / "manifest.json").read_text(encoding="utf-8"))["weights_sha256"]
    return tags


def process() -> dict[str, str]:
    """Tags by which a later process finds out that this one died without a word."""
    named = {"process.id": str(os.getpid()), "process.host": platform.node()}
    moment = began(os.getpid())
    return named | ({"process.began": moment} if moment else {})


def began(process: int) -> str | None:
    """When a process here began, as no other with its number; None where it is gone, or the system does not say."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else f"{boot} {fields[19]}"  # proc(5): fields 3, state, and 22, starttime


def send(client: MlflowClient, run: str, lines: Iterable[Stamped], prefix: str) -> None:
    """Lines of a curve, in few requests; `prefix` goes before every name."""
    from mlflow.entities import Metric

    metrics = [
        Metric(f"{prefix}{name}", float(value), stamp, line["step"])
        for stamp, line in lines
        for name, value in line.items()
        if name != "step" and value is not None
    ]
    for start in range(0, len(metrics), BATCH_METRICS):
        client.log_batch(run, metrics=metrics[start : start + BATCH_METRICS])


def end(client: MlflowClient, run: str, status: str, last: Stamped, tags: dict[str, str]) -> None:
    """The stage's own metrics as the last line, what is known only now, and FINISHED, FAILED or KILLED."""
    from mlflow.entities import RunTag

    ended, metrics = last
    numbers = {name: value for name, value in metrics.items() if isinstance(value, int | float)}
    words = {f"result.{name}": value for name, value in metrics.items() if isinstance(value, str)}
    send(client, run, [(ended, numbers)], "")
    client.log_batch(run, tags=[RunTag(name, value) for name, value in {**tags, **words}.items()])
    client.set_terminated(run, status, end_time=ended)


def _send_inputs(client: MlflowClient, run: str, card: Card) -> None:
    """Data by path and hash, and what for; it is not loaded."""
    own = PURPOSE.get(card.target.stage, card.target.stage)
    purposes = dict.fromkeys(card.inputs, own) | dict.fromkeys(card.trained_on, "training")
    named = [_dataset(path, purpose) for path, purpose in purposes.items() if path.parts[0] == "data"]
    if named:
        client.log_inputs(run, named)


def _dataset(path: Path, purpose: str) -> DatasetInput:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    name, source = path.as_posix(), json.dumps({"uri": path.as_posix()})
    dataset = Dataset(name, _digest(path)[:LONGEST_DIGEST], "local", source)
    return DatasetInput(dataset, [InputTag(CONTEXT, purpose)])


@lru_cache
def _digest(path: Path) -> str:
    return digest(path)


def whole_lines(curve: Path, start: int = 0) -> tuple[int, list[Line]]:
    """Where the curve's last whole line ends, in bytes, and the lines from `start` to there."""
    if not curve.exists():
        return start, []
    with curve.open("rb") as opened:
        opened.seek(start)
        fresh = opened.read()
    whole = fresh[: fresh.rfind(b"\n") + 1]
    return start + len(whole), [json.loads(line) for line in whole.splitlines()]


def last_step(curve: Path) -> int:
    lines = whole_lines(curve)[1]
    return lines[-1]["step"] if lines else 0


def now() -> int:
    """Milliseconds, as MLflow counts."""
    return int(1000 * time.time())


def cause(error: BaseException) -> str:
    """The first line of an error, without the password that an address in it may carry."""
    words = redacted(str(error)).strip().splitlines()
    return (words[0] if words else type(error).__name__)[:200]
