"""A win rate less what length alone won.

AlpacaEval's length-controlled win rate, Dubois, Galambosi, Liang and Hashimoto 2024, arXiv 2404.04475, section 3:

    P(left wins) = sigmoid(quality + length * tanh((characters left - characters right) / deviation))

fitted to the verdicts of one pair of models, and read where both summaries are of one length: sigmoid(quality).

Differs from the paper: no term for the difficulty of an instruction, which takes many models to fit, and no
cross-validation; a tie is half a win (a fractional logit); both coefficients bear a ridge of RIDGE / 2 times their
square (the likelihood being a sum over prompts), so that a model which wins everywhere, or wins just where it is
longer, has a finite fit. The deviation is that of this pair's own length differences.

Legend of shapes: S seeds, P prompts, B resamples, X distinct length differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tasks.measures import resampling
from tasks.measures.intervals import Interval

RIDGE = 0.01
LONGEST_STEP = 2.0  # of Newton's, in each coefficient: without ridge a separated resample would leap away
STEPS = 100
CLOSE = 1e-5  # the step that follows is of its square


class Pair(NamedTuple):
    """One pair's verdicts: how much each prompt says at each length difference, and how much of it is won."""

    features_X: np.ndarray
    told_XP: Any  # sparse, like the next; a prompt's sum to 1, or to 0 where the judge abstained
    won_XP: Any  # of these, wins and half of the ties


def controlled(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]], confidence: float, resamples: int, seed: int
) -> list[Interval | None]:
    """The length-controlled win rate of each pair, in [0, 1], with its BCa interval over prompts.

    pairs: shares_SP (1 left won, 0.5 tie, 0 lost, nan abstained) and longer_SP (characters of left minus right), of the
    same prompts. None where the two are never of one length, or on both sides of it: nothing can be read there.
    """
    every = [_pair(*pair) for pair in pairs]
    known = [pair for pair in every if pair is not None]
    if not known:
        return [None] * len(every)
    prompts = pairs[0][0].shape[1]
    starts = [fit(pair, np.ones((prompts, 1)), np.zeros(2))[:, 0] for pair in known]
    replicates: list[list[np.ndarray]] = [[] for _ in known]
    for weights_PB in resampling.weights(prompts, resamples, seed):
        for found, pair, start in zip(replicates, known, starts, strict=True):
            found.append(rate(fit(pair, weights_PB, start)))
    left_out = resampling.without_one(prompts)
    intervals = iter(
        [
            resampling.bca(
                float(rate(start)), np.concatenate(some), rate(fit(pair, left_out, start)), confidence
            )
            for pair, start, some in zip(known, starts, replicates, strict=True)
        ]
    )
    return [None if pair is None else next(intervals) for pair in every]


def fit(pair: Pair, weights_PB: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The coefficients (quality, length) of each resample [2, B], by Newton's method from those of another [2]."""
    features_X1 = pair.features_X[:, None]
    told_XB, won_2B = pair.told_XP @ weights_PB, _moments(pair.won_XP @ weights_PB, pair.features_X, 2)
    found_2B = np.repeat(np.asarray(start, dtype=float)[:, None], weights_PB.shape[1], axis=1)
    for _ in range(STEPS):
        chances_XB = 1 / (1 + np.exp(-(found_2B[0] + features_X1 * found_2B[1])))
        hoped_XB = told_XB * chances_XB
        slopes_2B = won_2B - _moments(hoped_XB, pair.features_X, 2) - RIDGE * found_2B
        steps_2B = _newton(slopes_2B, _moments(hoped_XB * (1 - chances_XB), pair.features_X, 3))
        found_2B += steps_2B
        if np.abs(steps_2B).max() < CLOSE:
            return found_2B
    raise ArithmeticError(f"Newton's method did not settle in {STEPS} steps")


def rate(coefficients_2B: np.ndarray) -> np.ndarray:
    """The predicted win rate at equal lengths [B]."""
    return 1 / (1 + np.exp(-coefficients_2B[0]))


def _moments(sums_XB: np.ndarray, features_X: np.ndarray, powers: int) -> np.ndarray:
    """Sums times the powers of the feature from 0 [powers, B]; einsum, as a BLAS product's bits hang on its threads."""
    return np.einsum("xb,kx->kb", sums_XB, features_X ** np.arange(powers)[:, None])


def _newton(slopes_2B: np.ndarray, spreads_3B: np.ndarray) -> np.ndarray:
    """Newton's step of each resample [2, B]: the inverse of a 2 x 2 matrix, written out."""
    first_B, both_B, second_B = spreads_3B[0] + RIDGE, spreads_3B[1], spreads_3B[2] + RIDGE
    quality_B = second_B * slopes_2B[0] - both_B * slopes_2B[1]
    length_B = first_B * slopes_2B[1] - both_B * slopes_2B[0]
    steps_2B = np.stack([quality_B, length_B]) / (first_B * second_B - both_B**2)
    return np.clip(steps_2B, -LONGEST_STEP, LONGEST_STEP)


def _pair(shares_SP: np.ndarray, longer_SP: np.ndarray) -> Pair | None:
    from scipy.sparse import csr_array  # here, as a score table is shown without it, and it takes a while

    told_SP = np.isfinite(shares_SP)
    longer = np.broadcast_to(longer_SP, told_SP.shape)[told_SP].astype(float)
    if not longer.size or longer.min() > 0 or longer.max() < 0:
        return None
    lengths_X, places = np.unique(longer, return_inverse=True)
    features_X = np.tanh(lengths_X / longer.std()) if lengths_X.size > 1 else np.zeros(1)
    prompts = np.nonzero(told_SP)[1]
    told, where = 1.0 / told_SP.sum(axis=0)[prompts], (places, prompts)
    shape = (lengths_X.size, told_SP.shape[1])
    return Pair(
        features_X,
        csr_array((told, where), shape=shape),
        csr_array((told * shares_SP[told_SP], where), shape=shape),
    )
