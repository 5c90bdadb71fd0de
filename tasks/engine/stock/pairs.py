"""engine: trl for the pairs family: TRL's DPOTrainer on ids that are made once, models/sft as start and reference."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import DPOConfig, DPOTrainer

from tasks.engine.families.pairs import groups
from tasks.engine.groups import Group
from tasks.engine.journal import Journal
from tasks.engine.models import SFT, load_policy
from tasks.engine.training import IN_ORDER, adapter, in_order
from tasks.settings import Branch, Compute, Text


class PairsTrainer(DPOTrainer):
    """DPOTrainer that takes prompt_ids, chosen_ids and rejected_ids as they are: nothing re-tokenized, none dropped."""

    def _prepare_dataset(self, dataset, processing_class, args, dataset_name):
        return dataset


def dataset(pairs: list[Group]) -> Dataset:
    """One row a pair: prompt_ids, chosen_ids, rejected_ids."""
    rows = [(list(pair.prompt), *map(list, pair.completions)) for pair in pairs]
    names = ("prompt_ids", "chosen_ids", "rejected_ids")
    return Dataset.from_dict(
        {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    )


def trainer(
    method: ModuleType,
    entry: Branch,
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    common: dict[str, Any],
    *,
    train: str,
    text: Text,
    compute: Compute,
    journal: Journal,
) -> DPOTrainer:
    """The trainer of one branch, on fold A's pairs."""
    pairs = groups(tokenizer, pq.read_table(train).to_pylist())
    order = in_order([one.longest for one in pairs], entry.optimisation, common["data_seed"])
    lora = adapter(entry.optimisation.lora, "CAUSAL_LM", policy)
    return PairsTrainer(
        model=policy,
        # with an adapter the reference is the policy with its adapter off: the same SFT weights
        ref_model=load_policy(SFT, compute, trained=True) if lora is None else None,
        args=DPOConfig(
            **common, **IN_ORDER, **method.trl_arguments(entry), max_length=None, disable_dropout=True
        ),
        train_dataset=dataset(pairs).select(order),
        processing_class=tokenizer,
        peft_config=lora,
    )
