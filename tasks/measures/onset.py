"""From which step on a training is over-optimised: the reward that it climbs still rises, and gold falls.

Legend of shapes: T points of a training in their order, S seeds, P prompts.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np

from tasks.measures import intervals
from tasks.measures.comparison import Bootstrap
from tasks.measures.intervals import Interval


class Onset(NamedTuple):
    """Two of a training's points, by their places, and what changed from the one to the other."""

    start: int
    until: int
    climbed: Interval
    gold: Interval


def onset(climbed_TSP: np.ndarray, gold_TSP: np.ndarray, bootstrap: Bootstrap) -> Onset | None:
    """Where over-optimisation sets in, or None where it is not seen, which does not prove that there is none.

    A pair of points, an earlier and a later one, speaks for it when the mean over seeds of the climbed reward rises
    from the one to the other and that of gold falls, paired prompt by prompt, both intervals clear of 0, and each
    seed alone moves in the same two directions. Of the points from which such a pair starts the onset is the one
    with the highest gold, the first of equals; it reaches until the first point that makes a pair with it.

    All T (T - 1) / 2 pairs are looked at, and the turning point is chosen after looking. So each interval has the
    confidence 1 - alpha / pairs (Bonferroni): were gold level or rising, one of them would lie below 0 in at most
    alpha / 2 of comparisons. Few prompts, few steps or small changes therefore end in None. Gao et al. 2023
    (arXiv 2210.10760) draw the two curves; the rule is ours.
    """
    if climbed_TSP.ndim != 3 or climbed_TSP.shape != gold_TSP.shape:
        raise ValueError(
            f"both must be [points, seeds, prompts]: {climbed_TSP.shape} against {gold_TSP.shape}"
        )
    pairs = list(combinations(range(len(climbed_TSP)), 2))
    likely = [pair for pair in pairs if _parted(climbed_TSP, *pair) and _parted(-gold_TSP, *pair)]
    if not likely:  # without an interval of any
        return None
    strict = bootstrap._replace(confidence=1 - (1 - bootstrap.confidence) / len(pairs))
    changes_KP = [
        intervals.difference(values[until], values[start])
        for start, until in likely
        for values in (climbed_TSP, gold_TSP)
    ]
    found = iter(strict(np.stack(changes_KP)))
    told = [Onset(*pair, next(found), next(found)) for pair in likely]
    told = [one for one in told if one.climbed.low > 0 > one.gold.high]
    gold_T = np.round(gold_TSP.mean(axis=(1, 2)), intervals.NOISE)
    return max(told, key=lambda one: (gold_T[one.start], -one.start, -one.until), default=None)


def _parted(values_TSP: np.ndarray, start: int, until: int) -> bool:
    """Whether every seed's mean rises between two points."""
    changes_S = values_TSP[until].mean(axis=1) - values_TSP[start].mean(axis=1)
    return bool((np.round(changes_S, intervals.NOISE) > 0).all())
