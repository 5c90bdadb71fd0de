"""What so many prompts can show, and how many it takes: planning a paired comparison with two-sided tests.

The normal approximation of the power of a paired t-test, with t quantiles where prompts are given and Guenther's
correction (1981, The American Statistician 35) where they are asked for. The solvers of statsmodels were not taken:
where they meet the bound of their search they return it as the answer.

`level` is the p-value below which a pair is decided: that of Holm's first step, so that the promise holds for every
pair whatever the others show. `sd` is the standard deviation over prompts of the paired differences.
"""

from __future__ import annotations

import math

from tasks.measures import permutation

POWER = 0.8  # four in five: what "can be found" means here and in most of the literature
PLANNED = 0.84  # of a t-test: a verdict needs sign flips and interval, which costs 2 points (docs/verdict.md)


def effect_size(mean: float, sd: float) -> float | None:
    """Cohen's d for pairs (d_z): the mean of the differences over their sd; None where they do not vary."""
    return mean / sd if sd > 0 else None


def smallest_detectable(sd: float, prompts: int, level: float) -> float | None:
    """The true difference that is found in 4 of 5 cases, in the unit of `sd`.

    None where nothing varies, so that nothing can be said, and where so few prompts can never decide.
    """
    from scipy import stats

    if sd <= 0 or prompts < 2 or permutation.smallest(prompts) >= level:
        return None
    t = stats.t(prompts - 1)
    return float((t.ppf(1 - level / 2) + t.ppf(PLANNED)) * sd / math.sqrt(prompts))


def prompts_needed(sd: float, difference: float, level: float) -> int | None:
    """How many prompts find this true difference in 4 of 5 cases; None where nothing varies."""
    from scipy import stats

    if difference <= 0:
        raise ValueError(f"the wanted difference must be above 0, got {difference}")
    if sd <= 0:
        return None
    z = float(stats.norm.ppf(1 - level / 2))
    needed = ((z + float(stats.norm.ppf(PLANNED))) * sd / difference) ** 2 + z**2 / 2
    return max(
        math.ceil(needed), math.floor(2 - math.log2(level))
    )  # with fewer, no pattern of signs is rare enough


def win_gap_prompts(gap: float, ties: float, level: float) -> int:
    """How many prompts with one verdict each find a gap between two win rates in 4 of 5 cases.

    A verdict scores 1, 0 or -1 (win, tie, loss of the left), so that its mean is the left's win rate minus the right's:
    a gap of 0.05 is 52.5 against 47.5 % with ties as halves. `ties` is their share; 0 is the safe choice.
    """
    if not 0 < gap <= 1 - ties <= 1:
        raise ValueError(f"a gap of {gap} and a share of ties of {ties} do not go together")
    needed = prompts_needed(math.sqrt(max(1 - ties - gap**2, 0.0)), gap, level)
    return needed if needed is not None else math.floor(2 - math.log2(level))
