"""The online family: TRL's RLOOTrainer on fold A's prompts, with a reward that sees ids, as training did."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import RLOOConfig, RLOOTrainer

from tasks.engine.models import MANIFEST, load_reward
from tasks.engine.scoring import rewards
from tasks.engine.text import decode, encode_prompt
from tasks.engine.training import adapter
from tasks.measures.gold import judge_of
from tasks.refusal import Refusal
from tasks.settings import Compute, Text

TRAIN = "data/pairs/a.parquet"
REWARD = Path("models/reward-a")

Reward = Callable[..., list[float]]


class OnlineTrainer(RLOOTrainer):
    """RLOOTrainer whose prompts become ids in the one way of tasks/engine/text.py."""

    def _tokenize_prompts(self, prompts: list):
        return [encode_prompt(self.processing_class, prompt) for prompt in prompts], None, {}


def dataset(pairs: list[dict[str, Any]]) -> Dataset:
    """One row a prompt of fold A, with what the judge needs to know of its document (its facts or reference)."""
    gold = {pair["prompt"]: pair["gold"] for pair in pairs}
    return Dataset.from_dict({"prompt": list(gold), "gold": list(gold.values())})


def trainer(
    method: ModuleType,
    entry: Any,
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    common: dict[str, Any],
    *,
    text: Text,
    compute: Compute,
) -> RLOOTrainer:
    """The trainer of one branch, strictly on-policy: one optimizer step a rollout, T = 1, no top-p, dropout off."""
    pairs = pq.read_table(TRAIN).to_pylist()
    reward = with_eos_penalty(
        _reward(entry, tokenizer, pairs, compute), tokenizer.eos_token_id, entry.eos_penalty
    )
    rows = entry.optimisation.batch_size * entry.optimisation.gradient_accumulation
    if rows % entry.completions:
        raise Refusal(
            "params.yaml: branches.online",
            f"batch_size x gradient_accumulation = {rows} is no multiple of completions = {entry.completions}",
            "change one of the three",
        )
    prompts = dataset(pairs)
    if rows // entry.completions > len(prompts):  # TRL would make no rollout at all, and say nothing
        raise Refusal(
            TRAIN,
            f"holds {len(prompts)} prompts, and a rollout takes {rows // entry.completions}",
            "lower batch_size x gradient_accumulation under branches.online, or give more pairs",
        )
    arguments = RLOOConfig(
        **common,
        **method.trl_arguments(entry),
        max_completion_length=text.max_completion_tokens,
        steps_per_generation=entry.optimisation.gradient_accumulation,
        num_iterations=1,
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        disable_dropout=True,
    )
    return OnlineTrainer(
        model=policy,
        reward_funcs=reward,
        args=arguments,
        train_dataset=prompts,
        processing_class=tokenizer,
        peft_config=adapter(entry.optimisation.lora, "CAUSAL_LM", policy),
    )


def told(curve: list[dict[str, float]]) -> dict[str, float | bool]:
    """What the curve says of this family: the reward it climbed, and groups without a difference to learn from."""
    start, end = curve[0], curve[-1]
    return {
        "train_reward_change": round(end["reward"] - start["reward"], 6),
        "groups_without_difference": round(end["frac_reward_zero_std"], 6),
        "cut_off_share": round(end["completions/clipped_ratio"], 6),
    }


def _reward(
    entry: Any, tokenizer: PreTrainedTokenizerBase, pairs: list[dict[str, Any]], compute: Compute
) -> Reward:
    if entry.reward == "judge":
        kind = pairs[0]["judge"]
        if kind is None or any(pair["gold"] is None for pair in pairs):
            raise Refusal(
                "branches.online: reward: judge",
                "these pairs carry nothing that a judge could score",
                "set reward: model",
            )
        return judge_reward(tokenizer, judge_of(kind))
    scale = json.loads((REWARD / MANIFEST).read_text(encoding="utf-8"))
    model = load_reward(REWARD, compute)
    return model_reward(
        model,
        tokenizer,
        mean=scale["mean"],
        deviation=scale["deviation"],
        batch_size=entry.optimisation.batch_size,
    )


def model_reward(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    mean: float,
    deviation: float,
    batch_size: int,
) -> Reward:
    """The reward model's score, less its mean and by its deviation, so that beta means the same for every model."""

    def reward_model(prompts: list[str], completion_ids: list[list[int]], **_: Any) -> list[float]:
        rows = [
            (encode_prompt(tokenizer, prompt), ids)
            for prompt, ids in zip(prompts, completion_ids, strict=True)
        ]
        return [(score - mean) / deviation for score in rewards(model, rows, batch_size)]

    return reward_model


def judge_reward(tokenizer: PreTrainedTokenizerBase, judge: Callable[[str, str], Any]) -> Reward:
    """The judge's total in [0, 1] of each completion's text."""

    def reward_judge(completion_ids: list[list[int]], gold: list[str], **_: Any) -> list[float]:
        return [
            judge(decode(tokenizer, ids), known)["total"]
            for ids, known in zip(completion_ids, gold, strict=True)
        ]

    return reward_judge


def with_eos_penalty(reward: Reward, eos_token_id: int, penalty: float) -> Reward:
    """The reward less `penalty` for every completion that was cut off before EOS (TRL has no such argument)."""

    def penalised(completion_ids: list[list[int]], **columns: Any) -> list[float]:
        scores = reward(completion_ids=completion_ids, **columns)
        return [
            score - penalty * (not ids or ids[-1] != eos_token_id)
            for score, ids in zip(scores, completion_ids, strict=True)
        ]

    penalised.__name__ = reward.__name__  # TRL names the logged metric after the function
    return penalised
