"""Who wins, prompt by prompt: the win rate of every model against every other, by each judge.

A duel is two models' greedy summaries of one prompt. Seed s meets seed s, and sft, which has one, meets every seed. A
win is 1, a tie 0.5, a loss 0; seeds of a prompt are averaged, then prompts are resampled, as everywhere.

Legend of shapes: S seeds, P prompts, K pairs of models.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tasks.measures import length_controlled
from tasks.measures.comparison import Bootstrap, Models
from tasks.measures.contests import Pair, pairs
from tasks.measures.intervals import Interval
from tasks.measures.language import phrase, say

TIE = 1e-6  # scores no further apart are equal: comparison.json tells no more, and a batch's rounding is below it

EXACT = "exact"
LABELS = {
    EXACT: phrase("exact judge"),
    "rouge": phrase("ROUGE (mean of 1, 2 and L)"),
    "rougeL": phrase("ROUGE-L"),
    "reward": phrase("reward model (fold B)"),
}


class Duels(NamedTuple):
    """One judge's verdicts on one pair of models."""

    left: str
    right: str
    judge: str
    shares_SP: (
        np.ndarray
    )  # 1 where the left won, 0.5 a tie, 0 where it lost, nan where the judge abstained or was not asked
    longer_SP: np.ndarray  # characters of the left less those of the right
    abstained: int
    flip_rate: float | None  # of a judge that is asked in both orders
    always: Interval | None  # of the win rate, at all looks together, where judging may have stopped early


def label(name: str) -> str:
    """A judge's name for readers."""
    return say(LABELS[name]) if name in LABELS else name


def pointwise(models: Models, judge: str, measure: str) -> list[Duels]:
    """What a judge says of all pairs who scores one summary at a time, `measure` being its score."""
    found = []
    for pair in pairs(list(models)):
        scores_SP = margins(models, pair, measure)
        shares_SP = np.where(np.abs(scores_SP) <= TIE, 0.5, np.where(scores_SP > 0, 1.0, 0.0))
        found.append(Duels(*pair, judge, shares_SP, margins(models, pair, "characters"), 0, None, None))
    return found


def by_prompt(shares_SP: np.ndarray) -> np.ndarray:
    """Mean over the seeds that were judged, without the prompts that have none; at most [P]."""
    told_SP = np.isfinite(shares_SP)
    judged_P = told_SP.any(axis=0)
    return np.where(told_SP, shares_SP, 0.0).sum(axis=0)[judged_P] / told_SP.sum(axis=0)[judged_P]


def rates(every: Sequence[Duels], bootstrap: Bootstrap) -> list[dict[str, Any]]:
    """The rows of `win_rates` in comparison.json, rates in [0, 1]; null where fewer than two prompts were judged.

    A judge who may stop early has its own intervals, and no length-controlled rate: resamples know of no stopping.
    """
    controlled = length_controlled.controlled(
        [(duels.shares_SP, duels.longer_SP) for duels in every],
        bootstrap.confidence,
        bootstrap.resamples,
        bootstrap.seed,
    )
    return [
        _row(duels, duels.always or raw, None if duels.always else level)
        for duels, raw, level in zip(every, _raw(every, bootstrap), controlled, strict=True)
    ]


def _row(duels: Duels, raw: Interval | None, level: Interval | None) -> dict[str, Any]:
    told = duels.shares_SP[np.isfinite(duels.shares_SP)]
    return {
        "left": duels.left,
        "right": duels.right,
        "judge": duels.judge,
        **dict(zip(("win_rate", "low", "high"), raw or [None] * 3, strict=True)),
        "wins": int((told == 1).sum()),
        "ties": int((told == 0.5).sum()),
        "losses": int((told == 0).sum()),
        "abstained": duels.abstained,
        **dict(zip(("length_controlled", "lc_low", "lc_high"), level or [None] * 3, strict=True)),
        "flip_rate": duels.flip_rate,
    }


def _raw(every: Sequence[Duels], bootstrap: Bootstrap) -> list[Interval | None]:
    """The mean share of each pair with its interval; pairs of like many prompts under the same resamples at once."""
    shares, found = [by_prompt(duels.shares_SP) for duels in every], {}
    for size in {share.size for share in shares} - {0, 1}:
        places = [place for place, share in enumerate(shares) if share.size == size]
        rows_KP = np.stack([shares[place] for place in places])
        found |= dict(zip(places, bootstrap(rows_KP), strict=True))
    return [found.get(place) for place in range(len(every))]


def margins(models: Models, pair: Pair, measure: str) -> np.ndarray:
    """Left minus right by seed and prompt [S, P]."""
    left_SP, right_SP = (models[name][measure] for name in pair)
    if left_SP.shape[0] != right_SP.shape[0] and 1 not in (left_SP.shape[0], right_SP.shape[0]):
        raise ValueError(f"{left_SP.shape[0]} seeds against {right_SP.shape[0]}; seed s meets seed s")
    return left_SP - right_SP
