"""How a reward model is made of pairs: a new head on models/sft, and the objective that the block `reward` says."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.engine import models, training, watch
from tasks.engine.families.pairs import groups
from tasks.engine.fitting import GroupTrainer
from tasks.engine.journal import Journal
from tasks.engine.lookahead import LookingAhead, candidates
from tasks.engine.reward_objectives import BradleyTerry, contrastive
from tasks.sections.objectives import Meta, Simcse, Swav
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
        told, made_by, objective = source.objective, GroupTrainer, BradleyTerry(source.center)
        if isinstance(told, Simcse | Swav):
            objective = contrastive(source.center, told, source.seed)
        elif isinstance(told, Meta):
            made_by, fresh = partial(LookingAhead, eta=told.step), candidates(pairs, tokenizer)
            rows = [row._replace(meta=one) for row, one in zip(rows, fresh, strict=True)]
        trainer = made_by(
            model,
            objective,
            rows,
            common,
            source.optimisation,
            compute,
            tokenizer,
            dropout=False,
            task="SEQ_CLS",
            said=journal.say,
        )
    trainer.add_callback(watch.Finite("reward"))
    trainer.add_callback(training.JournalCallback(journal, "reward", {}, tolerance=0.0))
    training.fit(trainer, journal, scratch)
    return training.merged(trainer)
