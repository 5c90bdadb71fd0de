"""Scores to simulate with: in the shape of those that the exact judge gave the default run's summaries.

Legend of shapes: N simulations, S seeds, P prompts, C the 15 cells of a score, 0/14 to 14/14.

Every model's scores have the frequencies that were counted for it, ties and heaps at 0 and 1 included. They hang
together by normal numbers beneath them: a part of all models on a prompt, one of a branch's trainings on it, one of a
single training. So the true mean of a model is that of its counts, and every difference is known exactly.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

CELLS = 15


class Shape(NamedTuple):
    """Counts of 400 summaries by cell, for SFT and for the seeds of a branch, and what they share of a prompt."""

    sft_C: tuple[int, ...]
    branch_SC: tuple[tuple[int, ...], ...]
    of_all: float  # correlation of the normal numbers of any two models on a prompt
    of_branch: float  # the same of two trainings of a branch


GREEDY = Shape(
    (42, 5, 27, 3, 40, 4, 46, 17, 50, 7, 79, 2, 33, 0, 45),
    (
        (33, 2, 20, 2, 29, 9, 45, 14, 58, 5, 65, 4, 68, 0, 46),
        (28, 5, 31, 6, 39, 4, 51, 23, 59, 12, 49, 1, 47, 1, 44),
        (30, 6, 16, 6, 30, 1, 63, 20, 56, 7, 54, 7, 57, 3, 44),
    ),
    of_all=0.52,
    of_branch=0.66,
)
SAMPLED = Shape(  # nearly half of SFT's are 0
    (186, 16, 44, 6, 40, 10, 40, 10, 19, 2, 13, 0, 9, 0, 5),
    (
        (129, 10, 38, 12, 62, 6, 38, 10, 25, 2, 41, 1, 17, 0, 9),
        (125, 13, 46, 8, 48, 5, 45, 13, 31, 2, 28, 2, 25, 1, 8),
        (105, 7, 52, 14, 42, 9, 44, 10, 52, 5, 28, 2, 20, 0, 10),
    ),
    of_all=0.28,
    of_branch=0.44,
)
SEED_SPREAD = (
    0.07  # sd of a training's shift of the normal numbers: 0.02 of the score, as between DPO's seeds
)


def mean(counts_C: tuple[int, ...] | np.ndarray) -> float:
    """The true mean of a model with these counts."""
    counts = np.asarray(counts_C, dtype=float)
    return float(counts @ np.arange(CELLS) / (CELLS - 1) / counts.sum())


def between(left_C: tuple[int, ...], right_C: tuple[int, ...], difference: float) -> np.ndarray:
    """Counts of a model that lies just so far above `left`, some of its summaries being as `right`'s."""
    left, right = np.asarray(left_C, dtype=float), np.asarray(right_C, dtype=float)
    share = difference / (mean(right_C) - mean(left_C))
    assert 0 <= share <= 1, "the two must lie further apart than the difference"
    return (1 - share) * left + share * right


def drawn(
    branches: list[list[tuple[int, ...] | np.ndarray]],
    shape: Shape,
    simulations: int,
    prompts: int,
    rng: np.random.Generator,
    spread: float = 0.0,
) -> list[np.ndarray]:
    """Scores [N, S, P] of each branch, given the counts of each of its seeds.

    With `spread` every training has a shift of its own, drawn so that a branch's scores over all its possible
    trainings still have the counts that were given.
    """
    common_NP = rng.normal(size=(simulations, 1, prompts))
    found = []
    for seeds in branches:
        whole = (simulations, len(seeds), prompts)
        parts = np.sqrt(shape.of_all) * common_NP + np.sqrt(shape.of_branch - shape.of_all) * rng.normal(
            size=(simulations, 1, prompts)
        )
        parts = parts + np.sqrt(1 - shape.of_branch) * rng.normal(size=whole)
        shift = spread * rng.normal(size=(simulations, len(seeds), 1))
        share_NSP = stats.norm.cdf((parts + shift) / np.sqrt(1 + spread**2))
        found.append(np.stack([_score(counts, share_NSP[:, s]) for s, counts in enumerate(seeds)], axis=1))
    return found


def verdicts(gap: float, ties: float, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Wins, ties and losses as 1, 0 and -1, whose true mean is the gap between the two win rates."""
    share, wins = rng.random(shape), (1 - ties + gap) / 2
    return np.where(share < wins, 1.0, np.where(share < wins + ties, 0.0, -1.0))


def _score(counts_C: tuple[int, ...] | np.ndarray, share: np.ndarray) -> np.ndarray:
    below = np.cumsum(np.asarray(counts_C, dtype=float))[:-1] / np.sum(counts_C)
    return np.searchsorted(below, share, side="right") / (CELLS - 1)
