"""A paid judge's verdicts, looked at after each one: stop as soon as they decide, and never be fooled by the looking.

Legend of shapes: N scores in the order in which they came, U bets.

A score lies in [-1, 1]: +1 where left wins, 0 for a tie, -1 where it loses; their mean where both orders were asked.
Under "the mean is m or less" nobody can expect to grow rich by betting on more: with a stake u of [0, 1) the capital

    K_u(m) = product over the scores x of (1 - u) + u (1 + x) / (1 + m)

does not grow on average, and neither does the mean over several u. So it reaches 2 / alpha at *any* time with a
probability of alpha / 2 at most (Ville 1939); the bet on less mirrors it. Where it gets there, m is ruled out for good.
What is not ruled out is an interval that holds the true mean at all times together with probability 1 - alpha: the
hedged capital process of Waudby-Smith and Ramdas 2024 (arXiv 2010.09686), with a mixture over fixed stakes in the place
of their predicted ones (as in Orabona and Jun 2021, arXiv 2110.14099), which on wins, ties and losses decides sooner.

It asks one thing of the caller: prompts in an order drawn at random before any verdict is known, so that the scores so
far tell nothing of the mean of the next. For k pairs at a time give each alpha / k.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasks.measures.comparison import HIGHER, LOWER, SAME
from tasks.measures.intervals import Interval

STAKES_U = np.geomspace(0.02, 0.9, 16)  # the best stake is about mean / mean square: gaps from 2 to 90 points
HALVINGS = 24  # of an interval's end, which is then known to 1.2e-7

Scores = Sequence[float] | np.ndarray


class Sequential:
    """The judging of one pair of models, stopped when decided.

        judged = Sequential(alpha=0.05, planned=len(prompts))
        for batch in batches:                 # of any size, also of one
            judged.add(ask(batch))
            if judged.decision != SAME:
                break
        judged.decision, judged.interval, judged.decided_at, judged.saved

    The decision is that of the first score at which the capital sufficed: it never changes afterwards, and it does not
    depend on how the scores were cut into batches. Without one by the end, the answer is `cannot tell apart`.
    """

    def __init__(self, alpha: float, planned: int):
        if not 0 < alpha < 1:
            raise ValueError(f"alpha must lie between 0 and 1, got {alpha}")
        self.alpha, self.planned = alpha, planned
        self._scores_N = np.zeros(0)

    def add(self, scores: Scores) -> None:
        """Nothing; the scores of [-1, 1] are counted after those before them."""
        self._scores_N = np.concatenate([self._scores_N, _checked(scores)])

    @property
    def decision(self) -> str:
        """`higher` or `lower` of left against right, or `cannot tell apart` (so far)."""
        return decision(self._scores_N, self.alpha)

    @property
    def decided_at(self) -> int | None:
        """How many scores decided; None where none did."""
        return decided_at(self._scores_N, self.alpha)

    @property
    def interval(self) -> Interval:
        """The mean score so far, and the interval that holds at all times together."""
        return interval(self._scores_N, self.alpha)

    @property
    def saved(self) -> float:
        """The share of the planned scores that was not asked for."""
        return 1 - len(self._scores_N) / self.planned


def decided_at(scores_N: Scores, alpha: float) -> int | None:
    """After how many of these scores left and right were told apart; None where they were not."""
    first_up, first_down = (_first(capital_N, alpha) for capital_N in _both(_checked(scores_N), 0.0))
    return min((each for each in (first_up, first_down) if each is not None), default=None)


def decision(scores_N: Scores, alpha: float) -> str:
    """`higher`, `lower` or `cannot tell apart`: what the first scores that sufficed said of left against right."""
    first_up, first_down = (_first(capital_N, alpha) for capital_N in _both(_checked(scores_N), 0.0))
    if first_up is None and first_down is None:
        return SAME
    return HIGHER if first_down is None or (first_up is not None and first_up < first_down) else LOWER


def interval(scores_N: Scores, alpha: float) -> Interval:
    """Mean of the scores [N] and an interval that, over all lengths of the series together, holds the true mean
    with probability 1 - alpha.

    It is the intersection of those of all shorter series. Ends that have crossed say that the scores drifted.
    """
    scores_N = _checked(scores_N)
    if not scores_N.size:
        return Interval(0.0, -1.0, 1.0)
    return Interval(float(scores_N.mean()), _lower(scores_N, alpha), -_lower(-scores_N, alpha))


def _lower(scores_N: np.ndarray, alpha: float) -> float:
    """The largest mean such that it and all below are ruled out: the capital falls as the mean rises."""
    low, high = -1.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        ruled_out = _first(_capital(scores_N, middle), alpha) is not None
        low, high = (middle, high) if ruled_out else (low, middle)
    return low


def _both(scores_N: np.ndarray, mean: float) -> tuple[np.ndarray, np.ndarray]:
    return _capital(scores_N, mean), _capital(-scores_N, -mean)


def _capital(scores_N: np.ndarray, mean: float) -> np.ndarray:
    """Log of the capital after each score [N] of a bet, begun with 1, that the true mean is above `mean`."""
    gains_UN = (1 - STAKES_U[:, None]) + STAKES_U[:, None] * (1 + scores_N[None, :]) / (1 + mean)
    return np.logaddexp.reduce(np.cumsum(np.log(gains_UN), axis=1), axis=0) - np.log(STAKES_U.size)


def _first(capital_N: np.ndarray, alpha: float) -> int | None:
    enough_N = capital_N >= np.log(2 / alpha)
    return int(enough_N.argmax()) + 1 if enough_N.any() else None


def _checked(scores: Scores) -> np.ndarray:
    scores_N = np.asarray(scores, dtype=float)
    if scores_N.ndim != 1 or not (np.abs(scores_N) <= 1).all():  # NaN is caught too
        raise ValueError("scores must be a series of numbers from -1 to 1")
    return scores_N
