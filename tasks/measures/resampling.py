"""Prompts drawn again, as weights, for an estimate that is no plain mean; and the interval of what they give.

Legend of shapes: B resamples, P prompts. A resample is how often each prompt was drawn: a sum over the drawn prompts is
then a product of matrices.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tasks.measures.intervals import Interval

NUMBERS_AT_ONCE = 400_000  # weights held at once; what is made of them then stays in a core's cache


def weights(prompts: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Blocks weights_PB, of `resamples` columns in all; each column sums to the number of prompts."""
    rng, left = np.random.default_rng(seed), resamples
    while left:
        rows = min(left, max(1, NUMBERS_AT_ONCE // prompts))
        drawn_BP = rng.integers(prompts, size=(rows, prompts))
        drawn_BP += prompts * np.arange(rows)[:, None]
        counts_BP = np.bincount(drawn_BP.ravel(), minlength=rows * prompts).reshape(rows, prompts)
        yield np.ascontiguousarray(counts_BP.T, dtype=float)
        left -= rows


def without_one(prompts: int) -> np.ndarray:
    """weights_PP of the jackknife: column p lacks prompt p."""
    return 1.0 - np.eye(prompts)


def bca(value: float, replicates_B: np.ndarray, jackknife_P: np.ndarray, confidence: float) -> Interval:
    """The estimate with its BCa interval (Efron and Tibshirani 1993, section 14.3); (value, value) without variation.

    replicates_B: the estimate of each resample; jackknife_P: of all prompts but one.
    """
    from scipy.special import ndtr, ndtri  # here, as a score table is shown without it, and it takes a second

    if not np.ptp(replicates_B) or not np.ptp(jackknife_P):
        return Interval(value, value, value)
    below = ((replicates_B < value).mean() + (replicates_B <= value).mean()) / 2
    pulls_P = jackknife_P.mean() - jackknife_P
    skew = (pulls_P**3).sum() / (6 * (pulls_P**2).sum() ** 1.5)
    shift = ndtri(
        below
    )  # -inf or inf where all replicates lie on one side, and the interval's ends with them
    reached = shift + ndtri([(1 - confidence) / 2, (1 + confidence) / 2])
    ends = np.quantile(
        replicates_B, ndtr(shift + reached / (1 - skew * reached)) if np.isfinite(shift) else [0, 1]
    )
    return Interval(value, float(ends[0]), float(ends[1]))
