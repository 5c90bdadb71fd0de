"""The pairs family: TRL's DPOTrainer on ids that are made once, with models/sft as start and as reference."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import DPOConfig, DPOTrainer

from tasks.engine.models import SFT, load_policy
from tasks.engine.text import encode_completion, encode_prompt
from tasks.engine.training import IN_ORDER, adapter, in_order
from tasks.settings import Branch, Compute, Text

TRAIN = "data/pairs/a.parquet"


class PairsTrainer(DPOTrainer):
    """DPOTrainer that takes prompt_ids, chosen_ids and rejected_ids as they are: nothing re-tokenized, none dropped."""

    def _prepare_dataset(self, dataset, processing_class, args, dataset_name):
        return dataset


def dataset(tokenizer: PreTrainedTokenizerBase, pairs: list[dict[str, str]]) -> Dataset:
    """One row a pair: prompt_ids, chosen_ids, rejected_ids; both completions end with EOS."""
    return Dataset.from_dict(
        {
            "prompt_ids": [encode_prompt(tokenizer, pair["prompt"]) for pair in pairs],
            "chosen_ids": [encode_completion(tokenizer, pair["chosen"]) for pair in pairs],
            "rejected_ids": [encode_completion(tokenizer, pair["rejected"]) for pair in pairs],
        }
    )


def trainer(
    method: ModuleType,
    entry: Branch,
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    common: dict[str, Any],
    *,
    text: Text,
    compute: Compute,
) -> DPOTrainer:
    """The trainer of one branch, on fold A's pairs."""
    data = dataset(tokenizer, pq.read_table(TRAIN).to_pylist())
    lengths = [
        len(prompt) + max(len(chosen), len(rejected))
        for prompt, chosen, rejected in zip(*(data[name] for name in data.column_names), strict=True)
    ]
    lora = adapter(entry.optimisation.lora, "CAUSAL_LM", policy)
    return PairsTrainer(
        model=policy,
        # with an adapter the reference is the policy with its adapter off: the same SFT weights
        ref_model=load_policy(SFT, compute, trained=True) if lora is None else None,
        args=DPOConfig(
            **common, **IN_ORDER, **method.trl_arguments(entry), max_length=None, disable_dropout=True
        ),
        train_dataset=in_order(data, lengths, entry.optimisation, common["data_seed"]),
        processing_class=tokenizer,
        peft_config=lora,
    )


def told(curve: list[dict[str, float]]) -> dict[str, float | bool]:
    """What the curve says of this family's known failure: the likelihood of the chosen summaries falling."""
    start, end = curve[0], curve[-1]
    moved = end["logps/chosen"] - start["logps/chosen"]
    return {
        "chosen_logp_change_nats": round(moved, 6),
        "likelihood_displacement": moved < 0 and end["rewards/chosen"] < 0,
        "train_margin": round(end["rewards/margins"], 6),
    }
