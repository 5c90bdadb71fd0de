"""RLOO's whole step: samples, reference, reward, forward and backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import mean
from typing import Any
from unittest import mock

import torch

from bench import batches, flops, parity
from bench.models import EOS, Models
from bench.pairing import Result, Timing, Tokens, measure
from bench.peers import our_rloo, our_rollout, their_rloo, their_rollout, their_samples
from tasks.engine.families import online
from tasks.engine.generation import Completion
from tasks.engine.groups import Group, Ids

BEST, DEFAULTS = "TRL without checkpointing", "TRL's defaults"
PROMPTS = 2
CASES = ((512, 4, 3.4), (1024, 4, 4.5), (1024, 8, 7.5))  # P, K, target


def run(models: Models, rounds: int, said: Callable[[Result], None]) -> None:
    """Nothing; every case is told as it is done."""
    for prompt, completions, floor in CASES:
        name = f"RLOO step, P {prompt}, K {completions}, {PROMPTS} prompts"
        said(case(models, name, prompt, completions, PROMPTS, floor, rounds, best=True))
        said(case(models, name, prompt, completions, PROMPTS, None, rounds, best=False))


def case(
    models: Models,
    name: str,
    prompt: int,
    completions: int,
    count: int,
    floor: float | None,
    rounds: int,
    *,
    best: bool,
) -> Result:
    """One shape against one setting."""
    prompts = batches.prompts(count, prompt, seed=prompt + completions)
    difference = _same_gradients(models, name, prompts, completions, best)
    theirs = their_rollout(their_rloo(models, prompts, completions, best=best), prompts)
    ours = our_rollout(our_rloo(models, prompts, completions), prompts)
    timing = measure(theirs, ours, rounds)
    predicted = mean(flops.their_rollout(batch, best=best) for batch in timing.their_groups) / mean(
        flops.our_rollout(batch) for batch in timing.our_groups
    )
    note = f"gradients equal to {difference:.1g}; {lengths(timing)}"
    return Result(name, BEST if best else DEFAULTS, floor, timing, tokens(timing), predicted, note)


def tokens(timing: Timing) -> Tokens:
    """Means: padded and valid of what they sampled, shared of what we did."""
    theirs = [batches.tokens(batch, apart=True) for batch in timing.their_groups]
    ours = [batches.tokens(batch) for batch in timing.our_groups]
    return Tokens(
        round(mean(one.padded for one in theirs)),
        round(mean(one.valid for one in theirs)),
        round(mean(one.shared for one in ours)),
    )


def lengths(timing: Timing) -> str:
    """How long the completions were, which both sampled for themselves."""
    theirs, ours = (
        mean(len(one) for batch in side for group in batch for one in group.completions)
        for side in (timing.their_groups, timing.our_groups)
    )
    return f"mean completion {theirs:.0f} and {ours:.0f} tokens"


def _same_gradients(models: Models, name: str, prompts: Sequence[Ids], completions: int, best: bool) -> float:
    """Of one step each on TRL's samples, with the same rewards; the largest difference on their scale."""

    def theirs_of(completion_ids: list[list[int]], **_: Any) -> list[float]:
        return [_reward(tuple(ids)) for ids in completion_ids]

    def ours_of(some: Sequence[Group]) -> torch.Tensor:
        return torch.tensor([_reward(ids) for group in some for ids in group.completions])

    their_trainer = their_rloo(models, prompts, completions, best=best, reward=theirs_of)
    our_trainer = our_rloo(models, prompts, completions, reward=ours_of)
    side = their_rollout(their_trainer, prompts)
    side.run(side.prepare(0))
    sampled = [
        [Completion(list(ids), ended=ids[-1] == EOS) for ids in group.completions]
        for group in their_samples(their_trainer, prompts)
    ]
    side = our_rollout(our_trainer, prompts)
    with mock.patch.object(online, "sample", return_value=sampled):
        side.run(side.prepare(0))
    theirs_seen = sorted(their_samples(their_trainer, prompts))
    parity.same(f"{name}: samples", theirs_seen, sorted(one._replace(meta=None) for one in side.worked_on()))
    return parity.gradients(name, their_trainer, our_trainer)


def _reward(ids: Ids) -> float:
    """Large beside the rounding of the KL, a difference of sums of some hundred nats; a lost KL still shows."""
    return float(sum(ids) % 97)
