"""engine: trl for the reward model: TRL's RewardTrainer on ids that are made once."""

from __future__ import annotations

from typing import Any

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import RewardConfig, RewardTrainer

from tasks.engine.groups import Group
from tasks.engine.training import IN_ORDER, adapter, in_order


def trainer(
    source: Any,
    pairs: list[Group],
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    common: dict[str, Any],
) -> RewardTrainer:
    """The trainer of the stage, on pairs of (chosen, rejected)."""
    order = in_order([one.longest for one in pairs], source.optimisation, common["data_seed"])
    return RewardTrainer(
        model=model,
        args=RewardConfig(
            **common,
            **IN_ORDER,
            center_rewards_coefficient=source.center or None,
            max_length=None,
            disable_dropout=True,
        ),
        train_dataset=dataset(pairs).select(order),
        processing_class=tokenizer,
        peft_config=adapter(source.optimisation.lora, "SEQ_CLS", model),
    )


def dataset(pairs: list[Group]) -> Dataset:
    """chosen_ids and rejected_ids: prompt, completion and EOS, the ids that scoring uses."""
    return Dataset.from_dict(
        {
            f"{side}_ids": [[*pair.prompt, *pair.completions[place]] for pair in pairs]
            for place, side in enumerate(("chosen", "rejected"))
        }
    )
