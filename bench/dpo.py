"""DPO's step: forward and backward pass of one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import torch

from bench import batches, flops, parity
from bench.activations import peak_mib
from bench.models import Models
from bench.pairing import Result, measure
from bench.peers import BETA, our_dpo, our_step, their_dpo, their_step, with_reference
from tasks.engine.families.pairs import Known
from tasks.engine.groups import Group

BEST, DEFAULTS = "TRL's best", "TRL's defaults"
GROUPED = "TRL's best, like lengths together"
MIXED_PAIRS, LIKE_LENGTHS = 8, 2
KEPT_LEAST = 0.4  # of the peer's activations, mixed lengths


def run(models: Models, rounds: int, said: Callable[[Result], None]) -> None:
    """Nothing; every case is told as it is done."""
    few = [batches.pairs(2, 1024, 64, seed=1)]
    said(_case(models, "DPO step, P 1024, C 64, 2 pairs", few, BEST, 1.7, rounds))
    said(_case(models, "DPO step, P 1024, C 64, 2 pairs", few, DEFAULTS, None, rounds))
    mixed = [batches.mixed_pairs(MIXED_PAIRS, seed=number) for number in range(rounds)]
    name = "DPO step, mixed lengths, 8 pairs, another batch a round"
    said(_case(models, name, mixed, BEST, 2.5, rounds, kept=True))
    said(_case(models, name, mixed, GROUPED, None, rounds))
    said(_case(models, name, mixed, DEFAULTS, None, rounds))
    short = [batches.pairs(2, 512, 64, seed=2)]
    said(_case(models, "DPO step, P 512, C 64, 2 pairs", short, DEFAULTS, 2.6, rounds))
    said(_case(models, "DPO step, P 512, C 64, 2 pairs", short, BEST, None, rounds))
    six = [batches.all_pairs(512, 64, 4, seed=3)]
    said(_case(models, "DPO step, 6 pairs of one prompt, P 512, C 64", six, BEST, 8, rounds))
    said(_case(models, "DPO step, 6 pairs of one prompt, P 512, C 64", six, DEFAULTS, None, rounds))


def _case(
    models: Models,
    name: str,
    given: Sequence[list[Group]],
    against: str,
    floor: float | None,
    rounds: int,
    *,
    kept: bool = False,
) -> Result:
    best, pairs = against != DEFAULTS, len(given[0])
    if against == GROUPED:
        given = [sorted(batch, key=lambda group: group.tokens) for batch in given]
    size = LIKE_LENGTHS if against == GROUPED else pairs
    data = [group for batch in given for group in batch]
    rows = [list(range(start, start + pairs)) for start in range(0, len(data), pairs)]
    their_trainer = their_dpo(models, data, size, best=best)
    our_trainer = our_dpo(models, data, pairs)
    known = with_reference(models, data)
    theirs, ours = their_step(their_trainer, rows, data), our_step(our_trainer, rows, known)
    _same_reference(their_trainer, known, best)
    # a loss is made of sums of some hundred nats, times beta, and rounded like them
    scale = BETA * max(-number for group in known for number in group.meta)
    loss = gradient = 0.0
    for number in range(len(given)):
        theirs_is, ours_is = (side.run(side.prepare(number)) for side in (theirs, ours))
        loss = max(loss, parity.close(f"{name}, {against}: loss", theirs_is, ours_is, scale=scale))
        worst = parity.gradients(f"{name}, {against}", their_trainer, our_trainer)
        gradient = max(gradient, worst)
    note = f"loss equal to {loss:.1g}, gradients to {gradient:.1g}"
    if kept:
        shares = [
            [
                peak_mib(model, lambda side=side, number=number: side.run(side.prepare(number)))
                for model, side in ((their_trainer.model, theirs), (our_trainer.model, ours))
            ]
            for number in range(len(given))
        ]
        share = median(mine / other for other, mine in shares)
        mib = [median(column) for column in zip(*shares, strict=True)]
        note += f"; saved tensors {mib[0]:.0f} -> {mib[1]:.0f} MiB, {share:.2f} (target {KEPT_LEAST:g})"
    timing = measure(theirs, ours, rounds)
    parts = -(-pairs // size)
    predicted = median(
        flops.their_pairs(batch, best=best, parts=parts) / flops.our_pairs(batch) for batch in given
    )
    counted = [batches.tokens(batch, parts=parts) for batch in given]
    tokens = batches.Tokens(*(round(sum(column) / len(given)) for column in zip(*counted, strict=True)))
    return Result(name, against, floor, timing, tokens, predicted, note)


def _same_reference(trainer: Any, known: Sequence[Group], best: bool) -> None:
    if not best:
        return
    theirs = [trainer.train_dataset[:][f"ref_{side}_logps"] for side in Known._fields]
    parity.close("reference sums", torch.tensor(theirs).T, torch.tensor([group.meta for group in known]))
