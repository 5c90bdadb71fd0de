"""Stage align: one branch and seed, trained from models/sft against models/sft, or from where its family starts."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tasks import methods, whole
from tasks.engine import models, snapshots, training, watch
from tasks.engine.journal import Journal
from tasks.engine.spent import Spent
from tasks.refusal import Refusal
from tasks.sections.compared import Align
from tasks.settings import Branch, Compute, Text

TOLERANCE = {"float32": 1e-4, "bfloat16": 0.05}  # of a cached reference against a policy that has not moved


def run(
    family: str,
    branch: str,
    seed: int,
    entry: Branch,
    text: Text,
    compute: Compute,
    journal: Journal,
    scratch: Path,
    align: Align,
) -> dict[str, float | int | str | bool]:
    """Where the training started and ended, the hash of its start, which is its reference too, and its budget."""
    method, inputs = methods.load(entry.method), importlib.import_module(f"tasks.engine.families.{family}")
    start = inputs.start(entry, seed, branch) if hasattr(inputs, "start") else inputs.START
    train, name = Path(inputs.TRAIN.format(branch=branch, seed=seed)), f"{branch}-{seed}"
    begin, rows = models.verified_manifest(start)["weights_sha256"], pq.read_metadata(train).num_rows
    made_by = inputs
    if entry.optimisation.engine == "trl":
        made_by = importlib.import_module(f"tasks.engine.stock.{family}")
    tokenizer, spent = models.load_tokenizer(start), Spent()
    policy = models.load_policy(start, compute, trained=entry.optimisation.lora is None)
    told = {
        "rows": rows,
        "data_sha256": models.file_sha256(train),
        "start_sha256": begin,
        **({} if start == models.BASE else {"reference_sha256": begin}),
        "engine": entry.optimisation.engine,
    }
    if rows:
        common = training.arguments(entry.optimisation, compute, seed, scratch)
        job = training.Job(
            method, entry, policy, tokenizer, common, str(train), text, compute, journal, spent, start
        )
        trainer = made_by.trainer(job)
        require_start(trainer, branch, start)
        expected = inputs.identity(method, entry) if hasattr(inputs, "identity") else method.identity(entry)
        log = training.JournalCallback(journal, name, expected, TOLERANCE[compute.dtype])
        at = snapshots.steps(align.snapshots, entry.optimisation.steps)
        taken = snapshots.Snapshots(trainer, tokenizer, scratch, at, start_sha256=begin)
        watching = (watch.Finite(name), watch.Limits(name, align.watch))
        for callback in (*watching, log, spent, taken):
            trainer.add_callback(callback)
        training.fit(trainer, journal, scratch)
        curve = journal.curve()  # of a training that was killed after its last step, too
        told |= _walked(trainer, entry, int(curve[-1].get("num_tokens", 0))) | inputs.told(curve)
        told |= watch.flagged(align.watch, curve)
        policy = training.merged(trainer)
    else:
        journal.say(f"there is nothing to learn from in {train}: {branch} stays what {start} is")
        taken = snapshots.Snapshots(None, tokenizer, scratch, ())
        told |= {"steps": 0, "examples": 0, "tokens": 0, "numerics": "no step"}
    taken.publish(models.snapshots_of(name))
    told["weights_sha256"] = models.save(policy, tokenizer, Path(f"models/{name}"), start_sha256=begin)[
        "weights_sha256"
    ]
    if hasattr(inputs, "round_of"):  # whoever goes on from here depends on this file
        _chain(Path(f"models/{branch}/{seed}.json"), told, inputs.round_of(train))
    return {**told, **spent.told()}


def _walked(trainer: Any, entry: Branch, tokens: int) -> dict[str, int | str]:
    """How far it went: optimizer's steps, examples and tokens that it was trained on."""
    walk, steps = entry.optimisation, trainer.state.global_step
    return {
        "steps": steps,
        "examples": steps * walk.batch_size * walk.gradient_accumulation,
        "tokens": tokens,
        "numerics": trainer.scorer.numerics if hasattr(trainer, "scorer") else "TRL's rows",
    }


def _chain(path: Path, told: Mapping[str, Any], round_of: int) -> None:
    """Nothing; the file ties the model to the data and the model that it was made of."""
    hashes = {name: told[name] for name in ("start_sha256", "data_sha256", "weights_sha256")}
    whole.as_json(path, {"round": round_of, **hashes})


def require_start(trainer, branch: str, start: Path) -> None:
    """Nothing, or a Refusal when start or reference are not the bytes of that model, whatever the trainer loaded."""
    policy = trainer.accelerator.unwrap_model(trainer.model)
    reference = policy if trainer.ref_model is None else trainer.accelerator.unwrap_model(trainer.ref_model)
    for name, model in (("start", policy), ("reference", reference)):
        if not models.same_weights(model, start):
            raise Refusal(
                f"branch {branch}",
                f"its {name} is not {start}",
                f"make {start} again with `dvc repro`, then this branch",
            )
