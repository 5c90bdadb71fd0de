"""Command card: the Hugging Face model card of a branch's model, with no number that dvc.lock does not hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tasks.ledger import compared, held
from tasks.ledger.provenance import flat
from tasks.ledger.target import NAME, Target, of_command
from tasks.measures import model_card
from tasks.refusal import Refusal

FOLDER = Path("reports/cards")
STALE = "run `make run`, which compares what is here"


def run(model: str) -> Path:
    """Where the card of `<branch>-<seed>` lies now; a Refusal where a file is not the one that dvc.lock holds."""
    branch, seed = Target("card", model=model).trained
    if branch is None or seed is None or not NAME.fullmatch(model):
        raise Refusal(f"command line: {model}", "is no branch and seed", "say `python -m tasks card dpo-0`")
    lock = held.Lock()
    evaluated = _read(lock, held.METRICS / f"evaluate-{model}.json")
    trained = _read(lock, held.METRICS / f"align-{model}.json")
    found = _read(lock, compared.FILE)
    _same(lock, model, found, evaluated, trained)
    facts = model_card.Facts(
        model=model,
        branch=branch,
        seed=seed,
        found=found,
        scores=evaluated,
        rows=_read(lock, held.METRICS / "prepare.json"),
        settings=_entry(lock, Target("align", branch=branch, seed=seed)),
        sources={stage: _source(lock, stage) for stage in ("prepare", "base", "sft")},
        split=_settings(lock, Target("evaluate", model=model))["evaluate"]["split"],
        weights_sha256=evaluated["model_sha256"],
        weights_md5=lock.md5(Path("models") / model) or "",
    )
    path = FOLDER / model / "README.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(model_card.text(facts), encoding="utf-8")
    return path


def _same(
    lock: held.Lock, model: str, found: dict[str, Any], evaluated: dict[str, Any], trained: dict[str, Any]
) -> None:
    """Nothing; a Refusal where comparison, evaluation and training are not of one model."""
    compared_sha = found["hashes"]["models"].get(model)
    if compared_sha is None:
        names = ", ".join(name for name in found["hashes"]["models"] if name != "sft")
        raise Refusal(f"{compared.FILE}", f"{model} is not among what it compares", f"choose one of {names}")
    if not lock.is_as_read(compared.STAGE, compared.EVALUATIONS):
        raise Refusal(f"{compared.FILE}", "was made from other evaluations than are here", STALE)
    if not compared_sha == evaluated["model_sha256"] == trained["weights_sha256"]:
        raise Refusal(
            f"{compared.FILE}", f"{model} was trained again after it was evaluated or compared", STALE
        )


def _read(lock: held.Lock, path: Path) -> dict[str, Any]:
    return json.loads(lock.read(path))


def _settings(lock: held.Lock, wanted: Target) -> dict[str, Any]:
    """The settings of the stage with this record, as dvc.lock has them."""
    for name, stage in lock.stages.items():
        target = of_command(stage["cmd"]) if isinstance(stage["cmd"], str) else None
        if target is not None and target.record == wanted.record:
            return lock.settings(name)
    raise Refusal("dvc.lock", f"holds no stage {wanted.record}", "run `make run`")


def _entry(lock: held.Lock, wanted: Target) -> dict[str, Any]:
    """The branch's own settings, under dotted names."""
    every = _settings(lock, wanted)
    return flat(next(value for section, value in every.items() if section.startswith("branches.")))


def _source(lock: held.Lock, stage: str) -> dict[str, Any]:
    return _settings(lock, Target(stage))[stage]["source"]
