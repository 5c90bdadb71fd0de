"""What holds for a method in general: a mean difference with seeds as a random effect.

Legend of shapes: S seeds, P prompts.

The model is the balanced two-way one with both effects random, the seeds crossed with the prompts:

    d_sp = mu + a_s + b_p + e_sp        a_s ~ (0, var_seeds), b_p ~ (0, var_prompts), e_sp ~ (0, var_rest)

every training summarizes every prompt. The grand mean estimates mu, and its variance is

    var_seeds / S + var_prompts / P + var_rest / (S P) = (MS_seeds + MS_prompts - MS_rest) / (S P)

with the mean squares of the two-way analysis of variance. In a balanced design these are what a mixed model finds by
REML where no component is 0; one that comes out below 0 is taken as 0. The degrees of freedom are Satterthwaite's
(1946): with few seeds and seeds that differ they come near S - 1. It is the analysis of several readers and many cases
(Dorfman, Berbaum and Metz 1992; Hillis 2007, Statistics in Medicine 26), with trainings for readers.

Two branches are taken seed by seed: where like seeds share the order of their data, that is the right pairing, and
where they share nothing it costs degrees of freedom, but is not wrong.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tasks.measures.intervals import NOISE

SEEDS_NEEDED = (
    8  # fewer tell too little of their own spread: where it rules, 3 give intervals 3 times as wide as 8 do
)


class General(NamedTuple):
    """The mean difference over seeds and prompts, and how far it is known; all but df and p in the values' unit."""

    difference: float
    low: float
    high: float
    standard_error: float
    degrees_of_freedom: float | None  # None where nothing varies
    p: float
    sd_seeds: float
    sd_prompts: float


def general(left_SP: np.ndarray, right_SP: np.ndarray, confidence: float) -> General:
    """Left minus right for any seed of this training and any prompt of this kind; one side may have one row (SFT)."""
    differences_SP = np.round(np.asarray(left_SP, dtype=float) - np.asarray(right_SP, dtype=float), NOISE)
    seeds, prompts = differences_SP.shape
    if seeds < 2 or prompts < 2:
        raise ValueError(f"a model of seeds and prompts needs two of each, got shape {differences_SP.shape}")
    mean = float(differences_SP.mean())
    varies = bool(np.ptp(differences_SP) > 0)  # else a mean that misses by one bit would be a spread
    of_seeds, of_prompts, rest = mean_squares(differences_SP) if varies else (0.0, 0.0, 0.0)
    above_S, above_P = max(of_seeds - rest, 0.0), max(of_prompts - rest, 0.0)
    whole = above_S + above_P + rest
    error = float(np.sqrt(whole / (seeds * prompts)))
    low, high, p, freedom = mean, mean, float(mean == 0.0), None
    if whole > 0:
        freedom = whole**2 / (
            of_seeds**2 / (seeds - 1)
            + of_prompts**2 / (prompts - 1)
            + rest**2 / ((seeds - 1) * (prompts - 1))
        )
        low, high, p = _student(mean, error, freedom, confidence)
    sds = (float(np.sqrt(above_S / prompts)), float(np.sqrt(above_P / seeds)))
    return General(mean, low, high, error, freedom, p, *sds)


def mean_squares(differences_SP: np.ndarray) -> tuple[float, float, float]:
    """Those of seeds, of prompts and of the rest: var_rest + P var_seeds, var_rest + S var_prompts, var_rest."""
    seeds, prompts = differences_SP.shape
    by_seed, by_prompt = differences_SP.mean(axis=1), differences_SP.mean(axis=0)
    rest_SP = differences_SP - by_seed[:, None] - by_prompt[None, :] + differences_SP.mean()
    return (
        float(prompts * by_seed.var(ddof=1)),
        float(seeds * by_prompt.var(ddof=1)),
        float((rest_SP**2).sum() / ((seeds - 1) * (prompts - 1))),
    )


def _student(mean: float, error: float, freedom: float, confidence: float) -> tuple[float, float, float]:
    """Both ends of the interval and the two-sided p-value."""
    from scipy import stats

    half = float(stats.t.ppf((1 + confidence) / 2, freedom)) * error
    return mean - half, mean + half, float(2 * stats.t.sf(abs(mean) / error, freedom))
