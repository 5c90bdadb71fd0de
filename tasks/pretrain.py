"""Command pretrain (`make base`): makes assets/base anew from the generator of the embedded corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, ValidationError
from ruamel.yaml import YAML

from tasks.corpus.dialogues import generate, grammar_sha256
from tasks.engine import models, pretraining
from tasks.engine.journal import Journal
from tasks.engine.training import seed
from tasks.refusal import Refusal
from tasks.settings import Count, ScratchBase, Section, Seed

SETTINGS, OUT = Path("assets/base.yaml"), Path("assets/base")
SEEN = Path("assets/pretrained_on.sha256")


class Shipped(Section):
    """What the shipped model is made of: dialogues of one seed, and the shape and training of the model."""

    corpus_seed: Seed
    dialogues: Count
    recap: Annotated[float, Field(ge=0, le=1, description="share of dialogues that end with a recap")]
    threads: Count
    model: ScratchBase


def run(journal: Journal) -> None:
    """Nothing; writes assets/base with its manifest and, in assets/pretrained_on.sha256, what it has seen."""
    try:
        shipped = Shipped.model_validate(
            YAML(typ="safe", pure=True).load(SETTINGS.read_text(encoding="utf-8"))
        )
    except (OSError, ValidationError) as error:
        raise Refusal(str(SETTINGS), " ".join(str(error).split()), "mend the file") from error
    torch.set_num_threads(shipped.threads)
    seed(shipped.model.seed)
    dialogues = generate(shipped.corpus_seed, shipped.dialogues, shipped.recap)
    documents = [dialogue.document for dialogue in dialogues]
    tokenizer = pretraining.tokenizer_of(
        [text for d in dialogues for text in (d.document, d.summary)], shipped.model.vocabulary
    )
    model = pretraining.model_of(shipped.model, tokenizer)
    loss = pretraining.pretrain(model, tokenizer, documents, shipped.model, journal, torch.device("cpu"))
    models.save(
        model,
        tokenizer,
        OUT,
        corpus_seed=shipped.corpus_seed,
        dialogues=len(documents),
        grammar_sha256=grammar_sha256(),
        loss_nats_per_token=round(loss, 6),
    )
    seen = sorted(pretraining.short_hash(document) for document in documents)
    SEEN.write_text("\n".join(seen) + "\n", encoding="ascii")
