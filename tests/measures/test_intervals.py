"""The paired bootstrap: coverage, pairing, ties and seeds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tasks.measures import intervals


def draw(rows_KP: np.ndarray, seed: int = 0) -> list[intervals.Interval]:
    return intervals.intervals(rows_KP, confidence=0.95, resamples=1000, seed=seed)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    rows = rng.exponential(size=(400, 80))  # skewed, true mean 1
    covered = np.mean([found.low <= 1.0 <= found.high for found in draw(rows)])
    assert 0.915 <= covered <= 0.975


def test_an_interval_lies_near_the_normal_one_for_normal_values():
    values = np.random.default_rng(1).normal(0.3, 1.0, size=200)
    (found,) = draw(values[None])
    half = stats.norm.ppf(0.975) * values.std(ddof=1) / np.sqrt(200)
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)


def test_pairing_finds_what_two_separate_intervals_hide():
    rng = np.random.default_rng(2)
    hard_P = rng.uniform(0, 1, 100)
    left_SP, right_SP = (hard_P + shift + 0.02 * rng.normal(size=(2, 100)) for shift in (0.03, 0.0))
    both = draw(np.stack([intervals.over_seeds(left_SP), intervals.over_seeds(right_SP)]))
    assert both[0].low < both[1].high
    (found,) = draw(intervals.difference(left_SP, right_SP)[None])
    assert not found.holds_zero
    assert found.low < 0.03 < found.high


def test_a_row_does_not_depend_on_its_company():
    rows = np.random.default_rng(3).normal(size=(40, 50))
    assert draw(rows)[7] == pytest.approx(draw(rows[7:8])[0])
    assert draw(rows) == draw(rows)
    assert draw(rows) != draw(rows, seed=1)


def test_rows_together_are_what_scipy_makes_of_each_alone():
    rows = np.random.default_rng(8).exponential(size=(3, 40))
    for row, found in zip(rows, draw(rows, seed=5), strict=True):
        alone = stats.bootstrap((row,), np.mean, n_resamples=1000, rng=np.random.default_rng(5))
        assert (found.low, found.high) == pytest.approx(tuple(alone.confidence_interval), abs=1e-9)


def test_a_resample_whose_mean_is_zero_has_no_other():
    """In floats 0.1 + 0.2 - 0.3 is 5.6e-17, and an interval that ends there would be clear of 0."""
    row = np.array([[0.1, 0.2, -0.3] * 2])
    means = intervals._means(row, np.array([[0, 1, 2, 0, 1, 2], [2, 1, 0, 2, 1, 0], [0, 0, 0, 2, 1, 1]]))
    assert means.tolist() == [[0.0, 0.0, round(0.4 / 6, 12)]]


def test_the_same_model_has_no_difference_though_its_mean_has_noise():
    values_P = np.random.default_rng(4).uniform(size=200)
    three_SP = np.stack([values_P] * 3)
    noisy_P = intervals.difference(three_SP, values_P[None])
    assert draw(noisy_P[None]) == [(0.0, 0.0, 0.0)]
    assert draw(noisy_P[None])[0].holds_zero
    assert intervals.agreeing(three_SP, values_P[None]) is None


def test_one_prompt_that_differs_is_no_difference():
    row = np.zeros((1, 100))
    row[0, 3] = 1.0
    assert draw(row)[0].holds_zero


def test_a_constant_difference_is_one():
    assert draw(np.full((1, 50), 0.1)) == [pytest.approx((0.1, 0.1, 0.1))]


def test_seeds_that_agree():
    left = np.array([[0.3, 0.3], [0.3, 0.3], [0.0, 0.1]])
    assert intervals.agreeing(left, np.array([[0.1, 0.1]])) == 2
    assert intervals.agreeing(left, np.array([[0.1, 0.1], [0.4, 0.4], [0.0, 0.0]])) == 2


def test_spread_by_hand():
    found = intervals.spread(np.array([[0.0, 0.2], [0.2, 0.4], [0.3, 0.7]]))
    assert found.by_seed == pytest.approx((0.1, 0.3, 0.5))
    assert (found.minimum, found.maximum, found.sd) == pytest.approx((0.1, 0.5, 0.2))
    assert intervals.spread(np.array([[0.0, 0.2]])).sd is None


@pytest.mark.parametrize("rows", [np.zeros(5), np.zeros((2, 1)), np.array([[0.0, np.nan]])])
def test_what_cannot_be_resampled_is_refused(rows):
    with pytest.raises(ValueError, match="rows"):
        draw(rows)


def test_other_prompts_are_refused():
    with pytest.raises(ValueError, match="the same prompts"):
        intervals.difference(np.zeros((1, 3)), np.zeros((1, 4)))
    with pytest.raises(ValueError, match="seeds, prompts"):
        intervals.difference(np.zeros(3), np.zeros((1, 3)))
