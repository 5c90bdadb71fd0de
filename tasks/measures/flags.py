"""Warnings of trainings whose numbers went wrong on the way, by what stage align told of its curve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from tasks.measures.alarms import Alarm
from tasks.measures.language import both, phrase, say

TOLD = {  # by the limit's name in align.watch; of `seeds` the worst value is told, and the first step of any
    "kl": phrase(
        "{branch} left the reference far behind in training: KL up to {value:.2f} nats a token, first at step {step} "
        "(seeds: {seeds})."
    ),
    "equal_rewards": phrase(
        "{branch} had little to learn from: up to {value:.0%} of its prompts had answers of one reward, first at step "
        "{step} (seeds: {seeds})."
    ),
    "cut_off": phrase(
        "{branch} wrote answers that never end in training: up to {value:.0%}, first at step {step} (seeds: {seeds})."
    ),
    "shortened": phrase(
        "{branch}'s answers shrank in training: down to {value:.0%} of the tokens of the first step, first at step "
        "{step} (seeds: {seeds})."
    ),
}


def alarms(
    branches: Iterable[str], seeds: Sequence[int], records: Mapping[str, Mapping[str, Any]]
) -> list[Alarm]:
    """A warning a branch and limit that at least one of its trainings reached.

    records: the stages' metrics by name, of which align-<branch>-<seed> tells flagged_<limit> and its step.
    """
    found = []
    for branch in branches:
        runs = {seed: records.get(f"align-{branch}-{seed}", {}) for seed in seeds}
        for name, template in TOLD.items():
            caught = {seed: run for seed, run in runs.items() if f"flagged_{name}" in run}
            if caught:
                worst = min if name == "shortened" else max
                values: dict[str, Any] = {
                    "branch": branch,
                    "value": worst(run[f"flagged_{name}"] for run in caught.values()),
                    "step": min(run[f"flagged_{name}_step"] for run in caught.values()),
                    "seeds": ", ".join(map(str, caught)),
                }
                found.append({"kind": "training", "branch": branch, **both(partial(say, template, **values))})
    return found
