"""How a reward model is made of pairs: a new head on models/sft, and Bradley-Terry's loss with centring."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch.nn.functional import logsigmoid
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.engine import models, training
from tasks.engine.families.pairs import groups
from tasks.engine.fitting import Given, GroupTrainer, Losses
from tasks.engine.groups import Group
from tasks.engine.journal import Journal
from tasks.engine.scoring import Scorer
from tasks.sections.trunk import TrainedReward
from tasks.settings import Compute

Pair = dict[str, Any]


def train(
    source: TrainedReward,
    tokenizer: PreTrainedTokenizerBase,
    pairs: list[Pair],
    compute: Compute,
    journal: Journal,
    scratch: Path,
) -> PreTrainedModel:
    """The reward model after its steps, adapters merged."""
    training.seed(source.seed)  # its head is new: drawn here
    model = models.new_reward(models.SFT, compute)
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    rows = groups(tokenizer, pairs)
    common = training.arguments(source.optimisation, compute, source.seed, scratch)
    if source.optimisation.engine == "trl":
        from tasks.engine.stock import reward as stock

        trainer = stock.trainer(source, rows, model, tokenizer, common)
    else:
        trainer = GroupTrainer(
            model,
            BradleyTerry(source.center),
            rows,
            common,
            source.optimisation,
            compute,
            tokenizer,
            dropout=False,
            task="SEQ_CLS",
            said=journal.say,
        )
    trainer.add_callback(training.JournalCallback(journal, "reward", {}, tolerance=0.0))
    training.fit(trainer, journal, scratch)
    return training.merged(trainer)


class BradleyTerry(Given):
    """One loss a pair: -log sigmoid(r_chosen - r_rejected) + center * (r_chosen + r_rejected)^2."""

    def __init__(self, center: float):
        self._center = center

    def items(self, group: Group) -> int:
        return 1

    def losses(self, scorer: Scorer, pack: Sequence[Group]) -> Losses:
        chosen, rejected = scorer.rewards(pack).unflatten(0, (-1, 2)).unbind(1)
        margin = chosen - rejected
        losses = self._center * (chosen + rejected) ** 2 - logsigmoid(margin)
        numbers = {"accuracy": (margin > 0).float(), "margin": margin}
        return Losses(losses, {name: values.detach() for name, values in numbers.items()})
