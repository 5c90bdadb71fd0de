"""Resamples as weights, and BCa against scipy's of the mean."""

import numpy as np
import pytest

from tasks.measures import intervals, resampling


def test_each_resample_draws_as_many_prompts_as_there_are():
    blocks = list(resampling.weights(7, 1000, seed=3))
    weights_PB = np.concatenate(blocks, axis=1)
    assert weights_PB.shape == (7, 1000)
    assert (weights_PB.sum(axis=0) == 7).all()
    assert abs(weights_PB.mean() - 1) < 1e-12
    assert weights_PB.var() == pytest.approx(
        1 - 1 / 7, abs=0.05
    )  # of a binomial with 7 draws and a chance of 1/7


def test_the_same_seed_draws_the_same_whatever_is_held_at_once(monkeypatch):
    whole = np.concatenate(list(resampling.weights(5, 40, seed=1)), axis=1)
    monkeypatch.setattr(resampling, "NUMBERS_AT_ONCE", 30)
    parts = list(resampling.weights(5, 40, seed=1))
    assert [part.shape[1] for part in parts] == [6] * 6 + [4]
    assert (np.concatenate(parts, axis=1) == whole).all()
    assert (np.concatenate(list(resampling.weights(5, 40, seed=2)), axis=1) != whole).any()


def test_the_interval_of_a_mean_is_scipys():
    """Other draws of the same kind: the ends differ by the noise of 20000 resamples alone."""
    values_P = np.random.default_rng(0).exponential(size=40)
    replicates_B = np.concatenate([values_P @ each / 40 for each in resampling.weights(40, 20000, seed=0)])
    jackknife_P = values_P @ resampling.without_one(40) / 39
    found = resampling.bca(values_P.mean(), replicates_B, jackknife_P, 0.95)
    theirs = intervals.intervals(values_P[None], 0.95, 20000, 0)[0]
    assert found.mean == pytest.approx(theirs.mean)
    assert found.low == pytest.approx(theirs.low, abs=0.03 * (theirs.high - theirs.low))
    assert found.high == pytest.approx(theirs.high, abs=0.03 * (theirs.high - theirs.low))
    assert found.high - found.mean > found.mean - found.low  # the sample leans to the right, and BCa sees it


def test_without_variation_there_is_no_width():
    assert resampling.bca(0.3, np.full(9, 0.3), np.full(4, 0.3), 0.95) == (0.3, 0.3, 0.3)
