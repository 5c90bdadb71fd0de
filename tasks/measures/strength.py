"""How strongly reward models prefer the chosen side of each pair, who may be labelled wrong, and whether to believe it.

Preference strength of Wang et al. 2024 (Secrets of RLHF in Large Language Models Part II, arXiv 2401.06080, section
2): d_i = r_i(chosen) - r_i(rejected) of each member i, and its mean and population deviation over the members. A member
that was trained on a pair remembers its label, so the stricter vote asks members alone that never saw its prompt.

Differs from the paper: each member's differences are divided by their root mean square, as reward models of one loss
have unlike scales, and the one with the largest would decide alone; the sign of a difference is left as it is.

Legend of shapes: M members, P pairs; NaN where a member does not vote on a pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

INCORRECT, AMBIGUOUS, NORMAL = "incorrect", "ambiguous", "normal"
SHARES = {INCORRECT: 0.2, AMBIGUOUS: 0.2}  # of all pairs, from the weakest: the paper's, found on HH
DECILES = 10
TRUSTED = 0.5  # recall of planted flips; below it a flip breaks more labels than it mends
FOLDS, PLANTED, NOISE = 0, 1, 2  # streams of random numbers, apart: the audit must not turn the noise back


class Votes(NamedTuple):
    """Of each pair, in standardised units of reward: the mean over its voters, their spread, and how many they are."""

    mean_P: np.ndarray
    spread_P: np.ndarray  # population deviation; 0 of a single voter
    count_P: np.ndarray


class Audit(NamedTuple):
    """What became of labels that were turned on purpose, when as many pairs are suspected as were turned.

    recall: share of the turned pairs among the suspected; as both are equally many, it is the precision, too.
    deciles: share of rightly labelled pairs in each tenth, from the weakest.
    """

    recall: float
    planted: int
    deciles: tuple[float, ...]


def standardised(differences_MP: np.ndarray) -> np.ndarray:
    """(M, P): each member's differences over their root mean square; a member that never differs stays at 0.

    Not centred: a pair whose sides are swapped has to get the opposite number, whatever the others are.
    """
    known_MP = ~np.isnan(differences_MP)
    squares_M = np.where(known_MP, differences_MP, 0.0) ** 2
    scale_M = np.sqrt(squares_M.sum(1) / np.maximum(known_MP.sum(1), 1))
    return differences_MP / np.where(scale_M > 0, scale_M, 1.0)[:, None]


def votes(differences_MP: np.ndarray) -> Votes:
    """Mean, spread and number of the standardised votes on each pair; ValueError where nobody votes on one."""
    scores_MP = standardised(np.asarray(differences_MP, dtype=float))
    count_P = (~np.isnan(scores_MP)).sum(0)
    if not count_P.all():
        raise ValueError(f"nobody votes on pair {int(np.argmin(count_P))}")
    mean_P, spread_P = np.nanmean(scores_MP, axis=0), np.nanstd(scores_MP, axis=0)
    return Votes(mean_P, np.where(count_P > 1, spread_P, 0.0), count_P)


def bands(mean_P: np.ndarray, shares: Sequence[float]) -> list[np.ndarray]:
    """The places of the pairs in consecutive bands of these shares of all pairs, from the weakest; then all others.

    By rank and never by sign: members that remember their pairs leave few means below 0. Equals stay in their order.
    """
    order_P = np.argsort(mean_P, kind="stable")
    ends = [round(sum(shares[: number + 1]) * len(order_P)) for number in range(len(shares))]
    return np.split(order_P, ends)


def classes(mean_P: np.ndarray) -> list[str]:
    """The paper's class of each pair: incorrect, ambiguous or normal."""
    found = [NORMAL] * len(mean_P)
    for name, band in zip(SHARES, bands(mean_P, list(SHARES.values())), strict=False):
        for place in band:
            found[place] = name
    return found


def folds(prompts: Sequence[str], count: int, seed: int, repeat: int) -> np.ndarray:
    """(P,): which of `count` folds each pair is in, all pairs of a prompt in one; another division each repeat."""
    every = sorted(set(prompts))
    if len(every) < count:
        raise ValueError(f"{len(every)} prompts make no {count} folds")
    order = np.random.default_rng([seed, FOLDS, repeat]).permutation(len(every))
    fold = {every[prompt]: place % count for place, prompt in enumerate(order)}
    return np.array([fold[prompt] for prompt in prompts])


def planted(count: int, share: float, seed: int, stream: int = PLANTED) -> np.ndarray:
    """(P,) bool: the pairs whose labels are turned on purpose, this share of them, and all of a smaller share's.

    stream: PLANTED for the audit, NOISE for the pairs that everybody is trained on.
    """
    turned_P = np.zeros(count, dtype=bool)
    order = np.random.default_rng([seed, stream]).permutation(count)
    turned_P[order[: round(share * count)]] = True
    return turned_P


def audit(mean_P: np.ndarray, planted_P: np.ndarray) -> Audit:
    """How many of the planted flips are among as many weakest pairs; `mean_P` is of labels as they were turned.

    Labels that were wrong before count as right here, so that recall is at its worst where there are many of them.
    """
    turned = int(planted_P.sum())
    if not turned:
        raise ValueError("no flip was planted")
    suspected = np.argsort(mean_P, kind="stable")[:turned]
    return Audit(float(planted_P[suspected].mean()), turned, deciles(mean_P, ~planted_P))


def deciles(mean_P: np.ndarray, values_P: np.ndarray) -> tuple[float, ...]:
    """The mean of the values in each tenth of the pairs, from the weakest; with fewer pairs fewer parts."""
    order_P = np.argsort(mean_P, kind="stable")
    parts = np.array_split(np.asarray(values_P, dtype=float)[order_P], min(DECILES, len(order_P)))
    return tuple(float(part.mean()) for part in parts)
