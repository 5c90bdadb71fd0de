"""The length-controlled win rate: by hand, against a general optimiser, and on planted effects."""

import numpy as np
import pytest
from scipy import optimize

from tasks.measures import length_controlled
from tasks.measures.length_controlled import RIDGE, controlled, fit

NOTHING_ELSE = {"confidence": 0.95, "resamples": 500, "seed": 0}


def one(shares_P, longer_P):
    return controlled([(np.atleast_2d(shares_P).astype(float), np.atleast_2d(longer_P))], **NOTHING_ELSE)[0]


def sigmoid(values):
    return 1 / (1 + np.exp(-np.asarray(values)))


def test_two_lengths_by_hand():
    """10 longer: 9 of 10 are won; 10 shorter: 1 of 2. The feature is +-t, so that two equations hold exactly:
    quality + t * length = logit 0.9 = ln 9 and quality - t * length = logit 0.5 = 0, hence quality = ln 3,
    and sigmoid(ln 3) = 3 / 4, where 7 of 10 are won. The ridge pulls by less than 1e-4."""
    longer = np.array([10] * 200 + [-10] * 200)
    shares = np.array([1] * 180 + [0] * 20 + [1] * 100 + [0] * 100)
    found = one(shares, longer)
    assert found.mean == pytest.approx(0.75, abs=1e-4)
    assert shares.mean() == 0.7
    assert found.low < 0.75 < found.high


def test_it_is_what_a_general_optimiser_finds():
    rng = np.random.default_rng(5)
    shares_SP = rng.choice([0.0, 0.5, 1.0], p=[0.3, 0.1, 0.6], size=(2, 30))
    shares_SP[0, :4] = np.nan  # a prompt with one verdict weighs as much as one with two
    shares_SP[:, 9] = np.nan
    longer_SP = rng.integers(-40, 60, size=(2, 30))
    pair = length_controlled._pair(shares_SP, longer_SP)
    weights_PB = rng.integers(0, 3, size=(30, 2)).astype(float)
    told = np.isfinite(shares_SP)
    features = np.tanh(longer_SP / longer_SP[told].std())

    def loss(found, weights_P):
        chances = sigmoid(found[0] + found[1] * features)
        each = np.where(told, shares_SP * np.log(chances) + (1 - shares_SP) * np.log(1 - chances), 0.0)
        by_prompt = each.sum(axis=0) / np.maximum(told.sum(axis=0), 1)
        return -(weights_P * by_prompt).sum() + RIDGE / 2 * (found**2).sum()

    found_2B = fit(pair, weights_PB, np.zeros(2))
    for weights_P, found in zip(weights_PB.T, found_2B.T, strict=True):
        best = optimize.minimize(loss, np.zeros(2), args=(weights_P,), method="BFGS", options={"gtol": 1e-8})
        assert found == pytest.approx(best.x, abs=1e-5)


def test_a_length_effect_without_quality_is_pulled_to_one_half():
    longer = np.array([-20, 0, 20, 60, 100] * 80)
    shares = sigmoid(2.0 * np.tanh(longer / longer.std()))
    found = one(shares, longer)
    assert shares.mean() > 0.6
    assert found.mean == pytest.approx(0.5, abs=1e-3)


def test_quality_without_a_length_effect_stays():
    longer = np.array([-20, 0, 20, 60, 100] * 80)
    assert one(np.full(400, 0.7), longer).mean == pytest.approx(0.7, abs=1e-3)


def test_equal_lengths_leave_the_win_rate_as_it_is():
    shares = np.array([1.0] * 60 + [0.5] * 20 + [0.0] * 20)
    found = one(shares, np.zeros(100, dtype=int))
    assert found.mean == pytest.approx(0.7, abs=1e-3)
    assert 0.6 < found.low < 0.65
    assert 0.75 < found.high < 0.8  # 0.7 +- 1.96 * 0.04


def test_the_same_seed_twice_is_one_seed():
    rng = np.random.default_rng(2)
    shares, longer = rng.choice([0.0, 1.0], size=50), rng.integers(-30, 30, size=50)
    twice = controlled([(np.stack([shares] * 2), np.stack([longer] * 2))], **NOTHING_ELSE)[0]
    assert twice == pytest.approx(one(shares, longer), abs=1e-6)


@pytest.mark.parametrize("turned", [False, True])
def test_who_wins_everywhere_has_a_finite_fit(turned):
    longer = np.array([-10, 10] * 50)
    found = one(np.full(100, float(not turned)), longer)
    assert (found.mean < 0.01) if turned else (found.mean > 0.99)
    assert 0 <= found.low <= found.mean <= found.high <= 1


def test_who_wins_just_where_it_is_longer_is_no_better():
    longer = np.array([-10, 10] * 50)
    found = one((longer > 0).astype(float), longer)
    assert found.mean == pytest.approx(0.5, abs=0.01)
    assert found.low < 0.5 < found.high


@pytest.mark.parametrize("sign", [1, -1])
def test_where_one_is_always_longer_nothing_can_be_said(sign):
    longer = sign * np.array([5, 9, 30] * 10)
    assert one(np.ones(30), longer) is None


def test_a_judge_who_always_abstains_says_nothing():
    assert one(np.full(10, np.nan), np.arange(10)) is None


def test_another_pair_changes_no_interval():
    rng = np.random.default_rng(8)
    pairs = [(rng.choice([0.0, 1.0], size=(1, 40)), rng.integers(-9, 9, size=(1, 40))) for _ in range(3)]
    assert controlled(pairs, **NOTHING_ELSE)[1] == controlled(pairs[1:2], **NOTHING_ELSE)[0]
