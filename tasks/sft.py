"""Stage sft: supervised fine-tuning with NEFTune; models/sft is the start and the reference of every branch."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.engine import models, training, watch
from tasks.engine.fitting import Given, GroupTrainer, Losses
from tasks.engine.groups import Group, Plan
from tasks.engine.journal import Journal
from tasks.engine.scoring import Scorer, completion_logps
from tasks.engine.text import render
from tasks.engine.tokens import require_learnable
from tasks.refusal import Refusal
from tasks.sections.documents import Own
from tasks.sections.trunk import Sft, TrainedSft
from tasks.settings import Compute, HubModel, Text


def run(
    sft: Sft, own: Own, text: Text, compute: Compute, journal: Journal, scratch: Path
) -> dict[str, float | int | str | None]:
    """Rows, validation loss with the noise off (null without validation rows), and the hash of the weights."""
    source = sft.source
    if isinstance(source, TrainedSft):
        tokenizer = models.load_tokenizer(models.BASE)
        model = train(source, tokenizer, text, compute, journal, scratch)
    else:
        directory = models.fetch(source) if isinstance(source, HubModel) else Path(own.sft)
        tokenizer, model = models.load_tokenizer(directory), models.load_policy(directory, compute)
        models.separate_pad(model, tokenizer)
        require_room(tokenizer, model, text)
    manifest = models.save(model, tokenizer, models.SFT)
    rows = encoded(tokenizer, "train", text)
    scorer = Scorer(model, said=journal.say)
    logps = completion_logps(scorer, encoded(tokenizer, "validation", text), compute.tokens_at_once)
    tokens = sum(len(row) for row in logps)
    loss = -sum(float(row.sum()) for row in logps) / tokens if tokens else None
    return {
        "rows": len(rows),
        "validation_loss_nats_per_token": None if loss is None else round(loss, 6),
        "weights_sha256": manifest["weights_sha256"],
        "numerics": scorer.numerics,
        **_noise(source, model, rows),
    }


def train(
    source: TrainedSft,
    tokenizer: PreTrainedTokenizerBase,
    text: Text,
    compute: Compute,
    journal: Journal,
    scratch: Path,
) -> PreTrainedModel:
    """The fine-tuned model, adapters merged: loss on the summary alone, NEFTune's noise on the embeddings."""
    policy = models.load_policy(models.BASE, compute, trained=source.optimisation.lora is None)
    require_room(tokenizer, policy, text)
    rows = encoded(tokenizer, "train", text)
    common = training.arguments(source.optimisation, compute, source.seed, scratch)
    if source.optimisation.engine == "trl":
        from tasks.engine.stock import sft as stock

        trainer = stock.trainer(source, rows, policy, tokenizer, common)
    else:
        trainer = GroupTrainer(
            policy,
            Supervised(source.neftune_noise_alpha),
            rows,
            common,
            source.optimisation,
            compute,
            tokenizer,
            dropout=True,
            said=journal.say,
        )
    trainer.add_callback(watch.Finite("sft"))
    trainer.add_callback(training.JournalCallback(journal, "sft", {}, tolerance=0.0))
    training.fit(trainer, journal, scratch)
    return training.merged(trainer)


class Supervised(Given):
    """Next-token loss on the summaries: -log pi(y_t | x, y_<t), its mean over the tokens of the optimizer's batch.

    NEFTune (Jain et al. 2023, arXiv 2310.05914, algorithm 1): uniform noise in [-1, 1] times alpha / sqrt(L d) on the
    embeddings. L is the length of the row itself, as in the authors' experiments; TRL's is that of the padded row.
    """

    def __init__(self, alpha: float):
        self._alpha = alpha

    def items(self, group: Group) -> int:
        return sum(map(len, group.completions))

    def losses(self, scorer: Scorer, pack: Sequence[Group]) -> Losses:
        scores = scorer.score(pack, embed=self._noisy if self._alpha else None)
        losses = -torch.cat(scores.per_token())
        return Losses(losses, {})

    def _noisy(self, embeddings: torch.Tensor, plan: Plan) -> torch.Tensor:
        amplitude = self._alpha / (plan.row_lengths.clamp(min=1) * embeddings.shape[-1]).sqrt()
        amplitude = amplitude * (plan.row_lengths > 0)
        noise = torch.empty_like(embeddings).uniform_(-1, 1)
        return embeddings + noise * amplitude[..., None].to(noise.dtype)


def encoded(tokenizer: PreTrainedTokenizerBase, split: str, text: Text) -> list[Group]:
    """Every row of a split: a prompt and its one summary."""
    table = pq.read_table(f"data/prepared/{split}.parquet", columns=["document", "summary"])
    return [
        Group.of(tokenizer, render(tokenizer, row["document"], text), [row["summary"]])
        for row in table.to_pylist()
    ]


def require_room(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, text: Text) -> None:
    """Nothing, or a Refusal when a row would not fit the model, which no later stage may cut, or teaches no end."""
    config = model.config.get_text_config()
    context, embeddings = config.max_position_embeddings, config.vocab_size
    for split in ("train", "validation", "test"):
        rows = encoded(tokenizer, split, text)
        require_learnable(f"data/prepared/{split}.parquet", tokenizer, embeddings, rows)
        lengths = [len(row.prompt) + max(len(row.completions[0]), text.max_completion_tokens) for row in rows]
        if max(lengths, default=0) > context:
            raise Refusal(
                f"data/prepared/{split}.parquet",
                f"its longest prompt and summary need {max(lengths)} tokens, the model has {context} positions",
                "lower prepare.max_document_characters or text.max_completion_tokens",
            )


def _noise(source: Any, model: PreTrainedModel, rows: list[Group]) -> dict[str, float]:
    """NEFTune's amplitude alpha / sqrt(L d) at the mean row length L."""
    if not isinstance(source, TrainedSft):
        return {}
    length = sum(row.tokens for row in rows) / len(rows)
    width = model.config.get_text_config().hidden_size
    return {"neftune_amplitude": round(source.neftune_noise_alpha / sqrt(length * width), 6)}
