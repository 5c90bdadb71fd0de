"""Stage align: one branch and seed, trained from models/sft against models/sft."""

from __future__ import annotations

import importlib
from pathlib import Path

import pyarrow.parquet as pq

from tasks import methods
from tasks.engine import models, snapshots, training
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
    start, train = (
        models.verified_manifest(inputs.START)["weights_sha256"],
        inputs.TRAIN.format(branch=branch),
    )
    made_by = inputs
    if entry.optimisation.engine == "trl":
        made_by = importlib.import_module(f"tasks.engine.stock.{family}")
    tokenizer = models.load_tokenizer(inputs.START)
    policy = models.load_policy(inputs.START, compute, trained=entry.optimisation.lora is None)
    common = training.arguments(entry.optimisation, compute, seed, scratch)
    walk, spent = entry.optimisation, Spent()
    job = training.Job(method, entry, policy, tokenizer, common, train, text, compute, journal, spent)
    trainer = made_by.trainer(job)
    require_start(trainer, branch, inputs.START)
    expected = inputs.identity(method, entry) if hasattr(inputs, "identity") else method.identity(entry)
    identity = training.JournalCallback(journal, f"{branch}-{seed}", expected, TOLERANCE[compute.dtype])
    trainer.add_callback(identity)
    trainer.add_callback(spent)
    at = snapshots.steps(align.snapshots, entry.optimisation.steps)
    taken = snapshots.Snapshots(trainer, tokenizer, scratch, at, start_sha256=start)
    trainer.add_callback(taken)
    training.fit(trainer, journal, scratch)
    taken.publish(models.snapshots_of(f"{branch}-{seed}"))
    manifest = models.save(
        training.merged(trainer), tokenizer, Path(f"models/{branch}-{seed}"), start_sha256=start
    )
    return {
        "rows": pq.read_metadata(train).num_rows,
        "data_sha256": models.file_sha256(Path(train)),
        "start_sha256": start,
        **({"reference_sha256": start} if inputs.START == models.SFT else {}),
        "weights_sha256": manifest["weights_sha256"],
        "steps": trainer.state.global_step,
        "examples": trainer.state.global_step * walk.batch_size * walk.gradient_accumulation,
        "tokens": int(identity.last.get("num_tokens", 0)),
        **spent.told(),
        "engine": entry.optimisation.engine,
        "numerics": trainer.scorer.numerics if hasattr(trainer, "scorer") else "TRL's rows",
        **inputs.told(journal.curve()),
    }


def require_start(trainer, branch: str, start: Path) -> None:
    """Nothing, or a Refusal when start or reference are not the bytes of that model, whatever the trainer loaded."""
    policy = trainer.accelerator.unwrap_model(trainer.model)
    reference = policy if trainer.ref_model is None else trainer.accelerator.unwrap_model(trainer.ref_model)
    for name, model in (("start", policy), ("reference", reference)):
        if not models.same_weights(model, start):
            raise Refusal(
                f"branch {branch}",
                f"its {name} is not {start}",
                f"run `dvc repro {start.name}`, then this branch",
            )
