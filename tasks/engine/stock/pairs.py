"""engine: trl for the pairs family: TRL's DPOTrainer on ids that are made once, models/sft as start and reference."""

from __future__ import annotations

import pyarrow.parquet as pq
from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from tasks.engine.families.pairs import groups
from tasks.engine.groups import Group
from tasks.engine.models import SFT, load_policy
from tasks.engine.training import IN_ORDER, Job, adapter, in_order


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


def trainer(job: Job) -> DPOTrainer:
    """The trainer of one branch, on fold A's pairs."""
    pairs, walk = groups(job.tokenizer, pq.read_table(job.train).to_pylist()), job.entry.optimisation
    order = in_order([one.longest for one in pairs], walk, job.common["data_seed"])
    lora, theirs = adapter(walk.lora, "CAUSAL_LM", job.policy), job.method.trl_arguments(job.entry)
    return PairsTrainer(
        model=job.policy,
        # with an adapter the reference is the policy with its adapter off: the same SFT weights
        ref_model=load_policy(SFT, job.compute, trained=True) if lora is None else None,
        args=DPOConfig(**job.common, **IN_ORDER, **theirs, max_length=None, disable_dropout=True),
        train_dataset=dataset(pairs).select(order),
        processing_class=job.tokenizer,
        peft_config=lora,
    )
