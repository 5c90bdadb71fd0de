"""What a project does: DPO at 4 betas and 3 seeds, everything included from the reference's scoring on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count, product
from typing import Any

import torch
from datasets import Dataset
from transformers import PrinterCallback, Trainer
from trl import DPOConfig, DPOTrainer

from bench import batches, flops, parity
from bench.models import Models, text
from bench.pairing import Result, Side, measure
from bench.peers import COMPUTE, common, optimisation, with_reference
from tasks.engine.families.pairs import Preferences
from tasks.engine.fitting import GroupTrainer
from tasks.engine.groups import Group
from tasks.engine.training import in_order
from tasks.methods import dpo

BETAS, SEEDS = (0.02, 0.05, 0.1, 0.2), (0, 1, 2)
PAIRS, BATCH, STEPS = 16, 8, 2  # a run is one epoch
FLOOR = 4
WARM = 2  # runs of each side that come first, for parity
WALK = optimisation(BATCH, STEPS)
SETTINGS = list(product(BETAS, SEEDS))
BEST = "TRL's best (max_length None keeps its cache, no checkpointing)"
DEFAULTS = "TRL's defaults and precompute_ref_log_probs"


class Ordered(DPOTrainer):
    """TRL's own trainer, rows and all; only the order of the rows is given, so that ours can have the same."""

    order: Sequence[int]
    scored = 0  # batches of the reference, over all runs

    def _get_train_sampler(self, *_: Any) -> Any:
        return self.order

    def compute_ref_log_probs(self, model: Any, inputs: Any) -> Any:
        Ordered.scored += 1
        return super().compute_ref_log_probs(model, inputs)


def run(models: Models, rounds: int, said: Callable[[Result], None]) -> None:
    """Nothing; both settings are told as they are done."""
    data = batches.mixed_pairs(PAIRS, seed=7)
    name = f"product: {len(SETTINGS)} DPO runs of {STEPS} steps, {BATCH} pairs a step, mixed lengths"
    for against, floor in ((DEFAULTS, FLOOR), (BEST, None)):
        best = against == BEST
        theirs, ours = _theirs(models, data, best), _ours(models, data)
        note = _same_losses(models, data, best)
        timing = measure(theirs, ours, rounds, warm=0)
        scored = Ordered.scored // len(timing.theirs)
        note += f"; TRL scored {scored} batches of the reference, ours every pair once"
        predicted = _flops(data, best) / (
            flops.our_pairs(data) * len(SETTINGS) + flops.our_pairs(data) / flops.UPDATE
        )
        tokens = batches.tokens(data, parts=STEPS)
        said(Result(name, against, floor, timing, tokens, predicted, note))


def _flops(data: Sequence[Group], best: bool) -> float:
    """Theirs, each run's batches as its seed orders them; the reference is scored in the rows' own order."""
    update, scorings = (flops.UPDATE, 1) if best else (flops.UPDATE + 1, len(SETTINGS))
    updates = sum(_forward([data[place] for place in _order(seed)]) for _, seed in SETTINGS) * update
    return updates + _forward(data) * scorings


def _forward(data: Sequence[Group]) -> float:
    """One forward pass of theirs over an epoch in this order."""
    return flops.their_pairs(data, best=True, parts=STEPS) / flops.UPDATE


def _order(seed: int) -> list[int]:
    return in_order([0] * PAIRS, WALK, seed)


def _same_losses(models: Models, data: Sequence[Group], best: bool) -> str:
    """Nothing but a note; the first runs of both had the same mean loss, and count as warm-ups."""
    rows, known = _rows(models, data), with_reference(models, data)
    worst = 0.0
    for beta, seed in SETTINGS[:WARM]:
        theirs = _their_run(models, rows, beta, seed, best)
        ours = _our_run(models, known, beta, seed)
        worst = max(worst, parity.close("mean loss of a run", torch.tensor(theirs), torch.tensor(ours)))
    Ordered.scored = 0
    return f"mean losses equal to {worst:.1g}"


def _theirs(models: Models, data: Sequence[Group], best: bool) -> Side:
    def every(rows: Dataset) -> None:
        for beta, seed in SETTINGS:
            _their_run(models, rows, beta, seed, best)

    return Side(lambda _: _rows(models, data), every, lambda: list(data))


def _ours(models: Models, data: Sequence[Group]) -> Side:
    def every(_: None) -> None:
        known = with_reference(models, data)
        for beta, seed in SETTINGS:
            _our_run(models, known, beta, seed)

    return Side(lambda _: None, every, lambda: list(data))


def _their_run(models: Models, rows: Dataset, beta: float, seed: int, best: bool) -> float:
    """Mean loss of one training."""
    given: dict[str, Any] = {
        **common(WALK, models.folder / "trl", seed=seed, checkpointing=not best),
        **dpo.trl_arguments(_entry(beta)),
        **({"max_length": None} if best else {}),
        "precompute_ref_log_probs": True,
        "disable_dropout": True,
    }
    trainer = Ordered(
        model=models.reference(),
        args=DPOConfig(**given),
        train_dataset=rows,
        processing_class=models.tokenizer,
    )
    trainer.order = _order(seed)
    return _trained(trainer)


def _our_run(models: Models, known: Sequence[Group], beta: float, seed: int) -> float:
    """Mean loss of one training; GroupTrainer orders by in_order, too."""
    trainer = GroupTrainer(
        models.reference(),
        Preferences(dpo, _entry(beta)),
        known,
        common(WALK, models.folder / "ours", seed=seed),
        WALK,
        COMPUTE,
        models.tokenizer,
        dropout=False,
    )
    return _trained(trainer)


def _trained(trainer: Trainer) -> float:
    trainer.remove_callback(PrinterCallback)
    return trainer.train().training_loss


_numbers = count()


def _rows(models: Models, data: Sequence[Group]) -> Dataset:
    """The pairs as text, in a new file each time: TRL's caches, which need one, are cold at its start."""
    columns = {"prompt": [text(group.prompt) for group in data]}
    for place, side in enumerate(("chosen", "rejected")):
        columns[side] = [text(group.completions[place][:-1]) + "</s>" for group in data]
    folder = models.folder / f"pairs-{next(_numbers)}"
    Dataset.from_dict(columns).save_to_disk(folder)
    return Dataset.load_from_disk(folder)


def _entry(beta: float) -> dpo.Config:
    return dpo.Config(method="dpo", optimisation=WALK, beta=beta)
