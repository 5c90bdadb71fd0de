"""Stage reward: a Bradley-Terry reward model for one fold of the pairs, started from models/sft.

loss = -log sigmoid(r_chosen - r_rejected) + center * (r_chosen + r_rejected)^2   (Ouyang et al. 2022, arXiv 2203.02155,
equation 1; the second term: Eisenstein et al. 2023, arXiv 2312.09244)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import RewardConfig, RewardTrainer

from tasks.engine import models, training
from tasks.engine.scoring import Row, rewards
from tasks.engine.text import encode_completion, encode_prompt
from tasks.parameters import Compute, Own, Reward, TrainedReward
from tasks.refusal import Refusal

Pair = dict[str, Any]


def run(
    fold: str, reward: Reward, own: Own, compute: Compute, journal: training.Journal, scratch: Path
) -> dict[str, float | int | str]:
    """Accuracy on the fold's held-out prompts beside 'prefer the longer', and the scale of the scores."""
    models.verified_manifest(models.SFT)
    pairs, holdout = (
        pq.read_table(f"data/pairs/{name}.parquet").to_pylist() for name in (fold, f"{fold}_holdout")
    )
    tokenizer = models.load_tokenizer(models.SFT)
    if isinstance(reward.source, TrainedReward):
        model = train(reward.source, tokenizer, pairs, compute, journal, scratch)
    else:
        model = _own(own.reward, tokenizer, pairs, compute)
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    chosen, rejected = (
        _scores(model, tokenizer, pairs, side, reward.batch_size) for side in ("chosen", "rejected")
    )
    both = np.concatenate([chosen, rejected])
    scale = {"mean": float(both.mean()), "deviation": float(max(both.std(), 1e-6))}
    manifest = models.save(model, tokenizer, Path(f"models/reward-{fold}"), **scale)
    margins = np.subtract(
        *(_scores(model, tokenizer, holdout, side, reward.batch_size) for side in ("chosen", "rejected"))
    )
    return {
        "rows": len(pairs),
        "rows_holdout": len(holdout),
        "train_accuracy": _accuracy(chosen - rejected),
        "holdout_accuracy": _accuracy(margins),
        "longer_accuracy": _accuracy(
            np.array([p["characters_chosen"] - p["characters_rejected"] for p in holdout])
        ),
        "mean": round(scale["mean"], 6),
        "deviation": round(scale["deviation"], 6),
        "weights_sha256": manifest["weights_sha256"],
    }


def _own(
    directory: str, tokenizer: PreTrainedTokenizerBase, pairs: list[Pair], compute: Compute
) -> PreTrainedModel:
    """The user's reward model; RLOO and evaluation will give it the ids of models/sft's tokenizer."""
    theirs, model = models.load_tokenizer(directory), models.load_reward(directory, compute)
    models.separate_pad(model, theirs)
    same = all(rows(theirs, pairs, side) == rows(tokenizer, pairs, side) for side in ("chosen", "rejected"))
    if not same or theirs.pad_token_id != tokenizer.pad_token_id:
        raise Refusal(
            directory,
            "its tokenizer gives other ids than that of models/sft",
            "give a reward model that was made from models/sft or from the same base",
        )
    return model


def train(
    source: TrainedReward,
    tokenizer: PreTrainedTokenizerBase,
    pairs: list[Pair],
    compute: Compute,
    journal: training.Journal,
    scratch: Path,
) -> PreTrainedModel:
    """The reward model after its steps, adapters merged."""
    training.seed(source.seed)  # its head is new: drawn here
    model = models.new_reward(models.SFT, compute)
    data = dataset(tokenizer, pairs)
    lengths = [max(map(len, both)) for both in zip(data["chosen_ids"], data["rejected_ids"], strict=True)]
    trainer = RewardTrainer(
        model=model,
        args=RewardConfig(
            **training.arguments(source.optimisation, compute, source.seed, scratch),
            **training.IN_ORDER,
            center_rewards_coefficient=source.center or None,
            max_length=None,
            disable_dropout=True,
        ),
        train_dataset=training.in_order(data, lengths, source.optimisation, source.seed),
        processing_class=tokenizer,
        peft_config=training.adapter(source.optimisation.lora, "SEQ_CLS", model),
        callbacks=[training.JournalCallback(journal, "reward", {}, tolerance=0.0)],
    )
    training.fit(trainer, journal, scratch)
    return training.merged(trainer)


def dataset(tokenizer: PreTrainedTokenizerBase, pairs: list[Pair]) -> Dataset:
    """chosen_ids and rejected_ids: prompt, completion and EOS, the ids that scoring uses."""
    return Dataset.from_dict(
        {
            f"{side}_ids": [prompt + completion for prompt, completion in rows(tokenizer, pairs, side)]
            for side in ("chosen", "rejected")
        }
    )


def rows(tokenizer: PreTrainedTokenizerBase, pairs: list[Pair], side: str) -> list[Row]:
    """(prompt ids, completion ids) of one side of the pairs."""
    return [
        (encode_prompt(tokenizer, pair["prompt"]), encode_completion(tokenizer, pair[side])) for pair in pairs
    ]


def _scores(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: list[Pair], side: str, batch_size: int
) -> np.ndarray:
    return np.array(rewards(model, rows(tokenizer, pairs, side), batch_size))


def _accuracy(margins: np.ndarray) -> float:
    """Share of pairs with the chosen side ahead, a tie counted half."""
    return round(float(((margins > 0) + 0.5 * (margins == 0)).mean()), 6)
