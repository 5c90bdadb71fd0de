"""engine: trl for the online family: TRL's RLOOTrainer on fold A's prompts, with a reward that sees ids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq
from datasets import Dataset
from transformers import PreTrainedTokenizerBase
from trl import RLOOConfig, RLOOTrainer

from tasks.engine.families.online import in_prompts, reward_of
from tasks.engine.groups import Group
from tasks.engine.text import encode_prompt
from tasks.engine.training import Job, adapter
from tasks.refusal import Refusal

Reward = Callable[..., list[float]]


class OnlineTrainer(RLOOTrainer):
    """RLOOTrainer whose prompts become ids in the one way of tasks/engine/text.py."""

    def _tokenize_prompts(self, prompts: list):
        return [encode_prompt(self.processing_class, prompt) for prompt in prompts], None, {}


def dataset(pairs: list[dict[str, Any]]) -> Dataset:
    """One row a prompt of fold A, with what the judge needs to know of its document (its facts or reference)."""
    gold = {pair["prompt"]: pair["gold"] for pair in pairs}
    return Dataset.from_dict({"prompt": list(gold), "gold": list(gold.values())})


def trainer(job: Job) -> RLOOTrainer:
    """The trainer of one branch, strictly on-policy: one optimizer step a rollout, T = 1, no top-p, dropout off."""
    entry, tokenizer = job.entry, job.tokenizer
    if entry.optimisation.order != "random":
        raise Refusal(
            "params.yaml: branches.online: order",
            "TRL's RLOOTrainer draws an order of its own",
            "set order: random, or engine: gallim",
        )
    pairs = pq.read_table(job.train).to_pylist()
    prompts = dataset(pairs)
    in_prompts(job, len(prompts))  # TRL would make no rollout at all of too few, and say nothing
    scores = of_ids(tokenizer, reward_of(job, pairs))
    arguments = RLOOConfig(
        **job.common,
        **job.method.trl_arguments(entry),
        max_completion_length=job.text.max_completion_tokens,
        steps_per_generation=entry.optimisation.gradient_accumulation,
        num_iterations=1,
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        disable_dropout=True,
    )
    return OnlineTrainer(
        model=job.policy,
        reward_funcs=with_eos_penalty(scores, tokenizer.eos_token_id, entry.eos_penalty),
        args=arguments,
        train_dataset=prompts,
        processing_class=tokenizer,
        peft_config=adapter(entry.optimisation.lora, "CAUSAL_LM", job.policy),
    )


def of_ids(tokenizer: PreTrainedTokenizerBase, scores: Callable[[list[Group]], Any]) -> Reward:
    """A reward of groups as TRL calls one: with its columns, for every completion."""
    import torch

    def reward(prompts: list[str], completion_ids: list[list[int]], gold: list[Any], **_: Any) -> list[float]:
        some = [
            Group(tuple(encode_prompt(tokenizer, prompt)), (tuple(ids),), known)
            for prompt, ids, known in zip(prompts, completion_ids, gold, strict=True)
        ]
        with torch.no_grad():
            return scores(some).tolist()

    return reward


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
