"""The sequential test: what it promises at every look together, and that it stops early where it may."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tasks.measures import sequential
from tasks.measures.comparison import HIGHER, LOWER, SAME


def verdicts(gap: float, ties: float, shape: tuple[int, int], seed: int) -> np.ndarray:
    """Wins, ties and losses whose mean is `gap`."""
    wins = (1 - ties + gap) / 2
    drawn = np.random.default_rng(seed).random(shape)
    return np.where(drawn < wins, 1.0, np.where(drawn < wins + ties, 0.0, -1.0))


def test_wins_alone_decide_when_the_capital_reaches_forty():
    # stake u has (1 + u)^n after n wins; 1, 2 and 3 cannot reach 40, for (1 + 0.9)^3 is 6.9
    capital = [np.mean((1 + sequential.STAKES_U) ** n) for n in range(30)]
    enough = next(n for n in range(30) if capital[n] >= 2 / 0.05)
    assert 5 < enough < 15
    assert sequential.decided_at(np.ones(30), 0.05) == enough
    assert sequential.decided_at(np.ones(enough - 1), 0.05) is None
    assert sequential.decision(np.ones(30), 0.05) == HIGHER
    assert sequential.decision(-np.ones(30), 0.05) == LOWER


def test_no_bet_grows_on_average_where_the_mean_is_as_claimed():
    """The next capital, averaged over what may come, is the present one: exact for wins, ties and losses."""
    past = np.array([1.0, -1, 1, 0, 1])
    for mean in (-0.4, 0.0, 0.3):
        shares = {1.0: (0.8 + mean) / 2, 0.0: 0.2, -1.0: (0.8 - mean) / 2}
        grown = sum(
            share * np.exp(sequential._capital(np.append(past, score), mean)[-1])
            for score, share in shares.items()
        )
        assert grown == pytest.approx(np.exp(sequential._capital(past, mean)[-1]))


def test_looking_after_every_verdict_fools_it_seldom_and_a_t_test_often():
    series = verdicts(0.0, 0.25, (400, 500), seed=0)
    fooled = np.mean([sequential.decided_at(scores, 0.05) is not None for scores in series])
    assert 0 < fooled <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)
    count = np.arange(1, 501)
    mean = series.cumsum(axis=1) / count
    error = np.sqrt((series**2).cumsum(axis=1) / count - mean**2) / np.sqrt(count)
    peeked = (np.abs(mean) > stats.norm.ppf(0.975) * error)[:, 20:].any(axis=1)
    assert peeked.mean() > 0.2


def test_a_planted_gap_is_found_early_and_on_the_right_side():
    series = verdicts(0.3, 0.25, (200, 300), seed=1)
    found = [sequential.decided_at(scores, 0.05) for scores in series]
    assert np.mean([at is not None for at in found]) > 0.95
    assert np.mean([at or 300 for at in found]) < 150
    assert sum(sequential.decision(scores, 0.05) == LOWER for scores in series) <= 5


@pytest.mark.parametrize("mean", [0.0, 0.35])
def test_the_interval_holds_the_mean_at_all_lengths_together(mean):
    """It is the intersection of those of all shorter series, so that one look at the last is a look at all."""
    rng, series = np.random.default_rng(2), []
    for _ in range(60):  # scores between the whole ones, too, and far from normal
        series.append(np.clip(rng.beta(0.4, 0.4 * (1 - mean) / (1 + mean), 150) * 2 - 1, -1, 1))
    found = [sequential.interval(scores, 0.1) for scores in series]
    assert np.mean([low <= mean <= high for _, low, high in found]) >= 0.9
    assert np.mean([high - low for _, low, high in found]) < 0.6


def test_interval_and_decision_say_the_same():
    for scores in verdicts(0.25, 0.3, (20, 120), seed=3):
        _, low, high = sequential.interval(scores, 0.05)
        said = HIGHER if low > 0 else LOWER if high < 0 else SAME
        assert sequential.decision(scores, 0.05) == said


def test_left_and_right_are_alike():
    scores = verdicts(0.2, 0.3, (1, 200), seed=4)[0]
    mean, low, high = sequential.interval(scores, 0.05)
    assert sequential.interval(-scores, 0.05) == pytest.approx((-mean, -high, -low))


def test_ties_decide_nothing_but_narrow_the_interval():
    assert sequential.decided_at(np.zeros(2000), 0.05) is None
    _, low, high = sequential.interval(np.zeros(2000), 0.05)
    assert -0.2 < low < 0 < high < 0.2


def test_batches_do_not_matter_and_a_decision_stays():
    scores = verdicts(0.3, 0.2, (1, 400), seed=5)[0]
    judged = sequential.Sequential(alpha=0.05, planned=500)
    assert (judged.decision, judged.decided_at, judged.saved) == (SAME, None, 1.0)
    assert judged.interval == (0.0, -1.0, 1.0)
    for start in range(0, 400, 7):
        judged.add(scores[start : start + 7])
        if judged.decision != SAME:
            break
    at = sequential.decided_at(scores, 0.05)
    assert judged.decided_at == at
    read = -(-at // 7) * 7  # the batch in which it fell was asked for as a whole
    assert judged.saved == pytest.approx(1 - read / 500)
    judged.add(-np.ones(300))  # whatever comes later
    assert (judged.decision, judged.decided_at) == (HIGHER, at)


@pytest.mark.parametrize("scores", [[0.5, 1.5], [float("nan")], [[1.0]]])
def test_scores_outside_their_bounds_are_refused(scores):
    with pytest.raises(ValueError, match="from -1 to 1"):
        sequential.decided_at(scores, 0.05)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_level_that_is_none_is_refused(alpha):
    with pytest.raises(ValueError, match="between 0 and 1"):
        sequential.Sequential(alpha, planned=10)
