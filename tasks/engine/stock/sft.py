"""engine: trl for SFT: TRL's SFTTrainer, with NEFTune as transformers has it (L is the padded length)."""

from __future__ import annotations

from typing import Any

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import SFTConfig, SFTTrainer

from tasks.engine.groups import Group
from tasks.engine.training import IN_ORDER, adapter, in_order


def trainer(
    source: Any,
    rows: list[Group],
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    common: dict[str, Any],
) -> SFTTrainer:
    """The trainer of the stage: loss on the summary alone."""
    order = in_order([one.longest for one in rows], source.optimisation, common["data_seed"])
    return SFTTrainer(
        model=policy,
        args=SFTConfig(
            **common,
            **IN_ORDER,
            neftune_noise_alpha=source.neftune_noise_alpha or None,
            completion_only_loss=True,
            max_length=None,
            packing=False,
        ),
        train_dataset=dataset(rows).select(order),
        processing_class=tokenizer,
        peft_config=adapter(source.optimisation.lora, "CAUSAL_LM", policy),
    )


def dataset(rows: list[Group]) -> Dataset:
    """input_ids and completion_mask (1 on the summary and its EOS), one row a document."""
    pairs = [(row.prompt, row.completions[0]) for row in rows]
    return Dataset.from_dict(
        {
            "input_ids": [[*prompt, *completion] for prompt, completion in pairs],
            "completion_mask": [[0] * len(prompt) + [1] * len(completion) for prompt, completion in pairs],
        }
    )
