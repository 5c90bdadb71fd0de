"""Sign-flip permutation p-values of paired differences, and Holm's correction of them.

K rows (a pair of models each), P prompts, B flips drawn at once. If left and right were exchangeable on every prompt,
each prompt's difference would have come out with either sign alike: the p-value is the share of sign patterns whose
mean lies at least as far from 0 as the one that was seen (Fisher 1935; Pitman 1937). Exact where all patterns are
counted; else (b + 1) / (m + 1) of m drawn ones, which is never too small (Phipson and Smyth 2010).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from tasks.measures.intervals import NOISE

FLIPS_AT_ONCE = 2_000_000  # signs held while flipping
SHARPNESS = (
    20  # patterns expected below the smallest level that decides, so that chance in the drawing does not
)


def flips(resamples: int, rows: int, level: float) -> int:
    """How many patterns to draw: `resamples`, or more where Holm's first step over `rows` asks for finer p-values."""
    return max(resamples, math.ceil(SHARPNESS * rows / level))


def smallest(prompts: int) -> float:
    """The least p-value that so few prompts can give: all signs alike, in either direction."""
    return 2.0 ** (1 - prompts)


def sign_flip(rows_KP: np.ndarray, flips: int, seed: int) -> np.ndarray:
    """Two-sided p-values [K], all rows under the same patterns; 1 for a row of zeros.

    All 2^P patterns are counted where they are no more than `flips`. scipy's permutation_test does the same for one
    row; it draws anew for each, 150 times as slow on 40 rows of 400 prompts.
    """
    rows_KP = np.round(np.asarray(rows_KP, dtype=float), NOISE)
    if rows_KP.ndim != 2 or rows_KP.shape[1] < 1 or not np.isfinite(rows_KP).all():
        raise ValueError(f"rows must be [rows, prompts] and finite, got shape {rows_KP.shape}")
    prompts = rows_KP.shape[1]
    exact = prompts < 63 and 2**prompts <= flips
    patterns = _all(prompts) if exact else _drawn(prompts, flips, seed)
    # a pattern that ties with what was seen may miss it by rounding, and ties are the rule for scores on a grid
    seen_K = np.abs(rows_KP.sum(axis=1)) - 1e-9 * (1e-3 + np.abs(rows_KP).sum(axis=1))
    hits_K = np.zeros(len(rows_KP))
    for signs_PB in patterns:
        hits_K += (np.abs(rows_KP @ signs_PB) >= seen_K[:, None]).sum(axis=1)
    return hits_K / 2**prompts if exact else (hits_K + 1) / (flips + 1)


def holm(p_K: Sequence[float] | np.ndarray) -> np.ndarray:
    """p-values [K] corrected so that any false one among them all is at most as likely as the level (Holm 1979).

    The least is multiplied by K, the next by K - 1 and so on, and none becomes less than the one before it. Numbers as
    from statsmodels' multipletests, which collects garbage at every call: half a second each in a process of this size.
    """
    p_K = np.asarray(p_K, dtype=float)
    order = np.argsort(p_K, kind="stable")
    found_K = np.empty_like(p_K)
    found_K[order] = np.minimum(1, np.maximum.accumulate(p_K[order] * (p_K.size - np.arange(p_K.size))))
    return found_K


def _all(prompts: int) -> Iterator[np.ndarray]:
    step = max(1, FLIPS_AT_ONCE // prompts)
    for start in range(0, 2**prompts, step):
        numbers_B = np.arange(start, min(start + step, 2**prompts))
        yield 1.0 - 2.0 * ((numbers_B[None, :] >> np.arange(prompts)[:, None]) & 1)


def _drawn(prompts: int, flips: int, seed: int) -> Iterator[np.ndarray]:
    rng, step, width = np.random.default_rng(seed), max(1, FLIPS_AT_ONCE // prompts), -(-prompts // 8)
    for start in range(0, flips, step):
        count = min(step, flips - start)
        bytes_BW = np.frombuffer(rng.bytes(count * width), dtype=np.uint8).reshape(count, width)
        yield 1.0 - 2.0 * np.unpackbits(bytes_BW, axis=1, count=prompts).T
