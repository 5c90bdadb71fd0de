"""Stage base: the model that knows the language but not the task, in models/base."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from tasks.engine import models, pretraining
from tasks.engine.journal import Journal
from tasks.refusal import Refusal
from tasks.sections.documents import Own
from tasks.sections.trunk import Base
from tasks.settings import Compute, HubModel, ScratchBase

SHIPPED = Path("assets/base")
SEEN = Path("assets/pretrained_on.sha256")


def run(base: Base, own: Own, compute: Compute, journal: Journal) -> dict[str, float | int | str]:
    """Parameters, vocabulary and context of the base model, and its pretraining loss where it was trained here."""
    source = base.source
    facts: dict[str, float | int | str] = {"kind": source.kind}
    if isinstance(source, ScratchBase):
        documents = pq.read_table("data/prepared/unlabelled.parquet").column("document").to_pylist()
        summaries = pq.read_table("data/prepared/train.parquet").column("summary").to_pylist()
        journal.say(f"training a tokenizer and a model from nothing on {len(documents)} documents")
        tokenizer = pretraining.tokenizer_of(documents + summaries, source.vocabulary)
        model = pretraining.model_of(source, tokenizer)
        facts["loss_nats_per_token"] = round(
            pretraining.pretrain(model, tokenizer, documents, source, journal, models.device_of(compute)), 6
        )
        facts["documents"] = len(documents)
    else:
        directory = models.fetch(source) if isinstance(source, HubModel) else _local(source.kind, own)
        tokenizer, model = models.load_tokenizer(directory), models.load_policy(directory, compute)
        models.separate_pad(model, tokenizer)
    manifest = models.save(model, tokenizer, models.BASE, **facts)
    return {
        **facts,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "vocabulary": len(tokenizer),
        "context_tokens": model.config.get_text_config().max_position_embeddings,
        "weights_sha256": manifest["weights_sha256"],
    }


def _local(kind: str, own: Own) -> Path:
    if kind == "own":
        return Path(own.base)
    models.verified_manifest(SHIPPED)
    leaked = _held_out_seen()
    if leaked:
        raise Refusal(
            "assets/base",
            f"was pretrained on {leaked} of the held-out dialogues",
            "choose another prepare.source.seed",
        )
    return SHIPPED


def _held_out_seen() -> int:
    """How many validation and test documents the shipped model was pretrained on."""
    seen = set(SEEN.read_text(encoding="ascii").split())
    held_out = [
        document
        for split in ("validation", "test")
        for document in pq.read_table(f"data/prepared/{split}.parquet").column("document").to_pylist()
    ]
    return sum(pretraining.short_hash(document) in seen for document in held_out)
