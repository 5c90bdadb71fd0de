"""Best-of-n at decoding time, exactly: the mean over every choice of n of a prompt's N samples.

The best of n is the i-th of N from below, by the ranking, in C(i - 1, n - 1) of the C(N, n) choices, so no choice has
to be drawn. P prompts, N samples of each.
"""

from __future__ import annotations

from math import comb, log

import numpy as np


def sizes(most: int) -> list[int]:
    """The n that are told of: 1, 2, 4 and so on, and `most` itself."""
    return sorted({2**power for power in range(most.bit_length())} | {most})


def kl_bound(n: int) -> float:
    """log n - (n - 1) / n: never below the KL of Best-of-n to what it chooses from, in nats a sequence.

    Beirami et al. 2024, arXiv 2401.01879: an upper bound, reached where no two samples are alike.
    """
    return log(n) - (n - 1) / n


def weights(n: int, most: int) -> np.ndarray:
    """[N], summing to 1: the share of choices whose best is each rank, the lowest first."""
    return np.array([comb(below, n - 1) / comb(most, n) for below in range(most)])


def expected(ranking_PN: np.ndarray, values_PN: np.ndarray, n: int) -> np.ndarray:
    """[P]: mean value of the best of n by the ranking, over all choices of n; of equals the first one wins."""
    if ranking_PN.ndim != 2 or ranking_PN.shape != values_PN.shape:
        raise ValueError(f"both must be [prompts, samples]: {ranking_PN.shape} against {values_PN.shape}")
    most = ranking_PN.shape[1]
    # sorted from the last sample to the first, so that a stable sort puts the first one of equals on top
    order_PN = most - 1 - np.argsort(ranking_PN[:, ::-1], axis=1, kind="stable")
    return np.take_along_axis(values_PN, order_PN, axis=1) @ weights(n, most)
