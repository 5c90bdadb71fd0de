"""Stage sft: supervised fine-tuning with NEFTune; models/sft is the start and the reference of every branch."""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import SFTConfig, SFTTrainer

from tasks.engine import models, training
from tasks.engine.scoring import Row, completion_logps
from tasks.engine.text import encode_completion, encode_prompt, render
from tasks.parameters import Compute, Own, Sft, TrainedSft
from tasks.refusal import Refusal
from tasks.settings import HubModel, Text

BASE = Path("models/base")


def run(
    sft: Sft, own: Own, text: Text, compute: Compute, journal: training.Journal, scratch: Path
) -> dict[str, float | int | str | None]:
    """Rows, validation loss with the noise off (null without validation rows), and the hash of the weights."""
    source = sft.source
    if isinstance(source, TrainedSft):
        tokenizer = models.load_tokenizer(BASE)
        model = train(source, tokenizer, text, compute, journal, scratch)
    else:
        directory = models.fetch(source) if isinstance(source, HubModel) else Path(own.sft)
        tokenizer, model = models.load_tokenizer(directory), models.load_policy(directory, compute)
        models.separate_pad(model, tokenizer)
        require_room(tokenizer, model, text)
    manifest = models.save(model, tokenizer, models.SFT)
    rows = encoded(tokenizer, "train", text)
    logps = completion_logps(model, encoded(tokenizer, "validation", text), batch_size=32)
    tokens = sum(len(row) for row in logps)
    loss = -sum(float(row.sum()) for row in logps) / tokens if tokens else None
    return {
        "rows": len(rows),
        "validation_loss_nats_per_token": None if loss is None else round(loss, 6),
        "weights_sha256": manifest["weights_sha256"],
        **_noise(source, model, rows),
    }


def train(
    source: TrainedSft,
    tokenizer: PreTrainedTokenizerBase,
    text: Text,
    compute: Compute,
    journal: training.Journal,
    scratch: Path,
) -> PreTrainedModel:
    """The fine-tuned model, adapters merged: loss on the summary alone, NEFTune's noise on the embeddings."""
    policy = models.load_policy(BASE, compute, trained=source.optimisation.lora is None)
    require_room(tokenizer, policy, text)
    rows = encoded(tokenizer, "train", text)
    lengths = [len(prompt) + len(completion) for prompt, completion in rows]
    trainer = SFTTrainer(
        model=policy,
        args=SFTConfig(
            **training.arguments(source.optimisation, compute, source.seed, scratch),
            neftune_noise_alpha=source.neftune_noise_alpha or None,
            completion_only_loss=True,
            **training.IN_ORDER,
            max_length=None,
            packing=False,
        ),
        # little padding, so NEFTune's L, the padded length, varies little, too
        train_dataset=training.in_order(dataset(rows), lengths, source.optimisation, source.seed),
        processing_class=tokenizer,
        peft_config=training.adapter(source.optimisation.lora, "CAUSAL_LM", policy),
        callbacks=[training.JournalCallback(journal, "sft", {}, tolerance=0.0)],
    )
    training.fit(trainer, journal, scratch)
    return training.merged(trainer)


def dataset(rows: list[Row]) -> Dataset:
    """input_ids and completion_mask (1 on the summary and its EOS), one row a document."""
    return Dataset.from_dict(
        {
            "input_ids": [prompt + completion for prompt, completion in rows],
            "completion_mask": [[0] * len(prompt) + [1] * len(completion) for prompt, completion in rows],
        }
    )


def encoded(tokenizer: PreTrainedTokenizerBase, split: str, text: Text) -> list[Row]:
    """(prompt ids, summary ids) of every row of a split."""
    table = pq.read_table(f"data/prepared/{split}.parquet", columns=["document", "summary"])
    return [
        (
            encode_prompt(tokenizer, render(tokenizer, row["document"], text)),
            encode_completion(tokenizer, row["summary"]),
        )
        for row in table.to_pylist()
    ]


def require_room(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, text: Text) -> None:
    """Nothing, or a Refusal when a row would not fit the model: no later stage may drop or cut one silently."""
    context = model.config.get_text_config().max_position_embeddings
    for split in ("train", "validation", "test"):
        lengths = [
            len(prompt) + max(len(completion), text.max_completion_tokens)
            for prompt, completion in encoded(tokenizer, split, text)
        ]
        if max(lengths, default=0) > context:
            raise Refusal(
                f"data/prepared/{split}.parquet",
                f"its longest prompt and summary need {max(lengths)} tokens, the model has {context} positions",
                "lower prepare.max_document_characters or text.max_completion_tokens",
            )


def _noise(source: Any, model: PreTrainedModel, rows: list[Row]) -> dict[str, float]:
    """NEFTune's amplitude alpha / sqrt(L d) at the mean row length L (TRL's L is the padded one, so it is weaker)."""
    if not isinstance(source, TrainedSft):
        return {}
    length = sum(len(prompt) + len(completion) for prompt, completion in rows) / len(rows)
    width = model.config.get_text_config().hidden_size
    return {"neftune_amplitude": round(source.neftune_noise_alpha / sqrt(length * width), 6)}
