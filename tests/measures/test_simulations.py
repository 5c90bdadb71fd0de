"""Short simulations of what a verdict promises; `python -m bench verdict` is the long form, with docs/verdict.md."""

from __future__ import annotations

import itertools

import numpy as np

from tasks.measures import intervals, permutation, power


def scores(shift: float, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Judge-like scores: sevenths from 0 to 1, many ties, heaped at both ends; the mean is 0.5 where `shift` is 0."""
    return np.round(7 * np.clip(0.5 + shift + 0.35 * rng.normal(size=shape), 0, 1)) / 7


def test_intervals_of_paired_scores_with_ties_hold_the_truth():
    rng = np.random.default_rng(0)
    truth = scores(0.1, (2_000_000,), rng).mean() - 0.5
    rows = scores(0.1, (600, 3, 100), rng).mean(axis=1) - scores(0, (600, 100), rng)
    found = intervals.intervals(rows, 0.95, 1000, 0)
    covered = np.mean([each.low <= truth <= each.high for each in found])
    assert 0.925 <= covered <= 0.975  # 95 % within 2.8 standard errors of 600


def test_equal_models_are_seldom_called_different():
    rng = np.random.default_rng(1)
    rows_KP = scores(0, (400, 3, 60), rng).mean(axis=1) - scores(0, (400, 60), rng)
    found = intervals.intervals(rows_KP, 0.95, 1000, 0)
    p_K = permutation.sign_flip(rows_KP, 1000, 0)
    different = sum(p < 0.05 and not each.holds_zero for p, each in zip(p_K, found, strict=True))
    assert 5 <= different <= 31  # 20 expected; the upper end is the promise


def test_among_six_equal_pairs_any_is_seldom_called_different():
    """SFT and three branches of 3 seeds that differ on every prompt and nowhere on average, 300 times."""
    rng = np.random.default_rng(2)
    models_4FP = np.stack([scores(0, (3, 300, 60), rng).mean(axis=0) for _ in range(4)])
    pairs = list(itertools.combinations(range(4), 2))
    rows_6FP = np.stack([models_4FP[left] - models_4FP[right] for left, right in pairs])
    p_6F = permutation.sign_flip(rows_6FP.reshape(-1, 60), 2400, 0).reshape(6, 300)
    wrong = np.mean([(permutation.holm(p_6) < 0.05).any() for p_6 in p_6F.T])
    assert wrong <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / 300)
    assert (p_6F < 0.05).any(axis=0).mean() > 0.1  # what it would be without the correction


def test_a_planted_gap_is_found_at_the_prompts_that_were_asked_for():
    """20 points between two win rates, which take fewer prompts than 5 do: they suffice, and half of them do not."""
    rng = np.random.default_rng(3)
    ties, gap = 0.25, 0.2
    prompts = power.win_gap_prompts(gap, ties, 0.05)
    drawn = rng.random((400, prompts))
    wins = (1 - ties + gap) / 2
    rows_KP = np.where(drawn < wins, 1.0, np.where(drawn < wins + ties, 0.0, -1.0))
    found = (permutation.sign_flip(rows_KP, 2000, 0) < 0.05).mean()
    assert 0.76 <= found <= 0.9  # about 82 %, within three standard errors of 400 simulations
    half = (permutation.sign_flip(rows_KP[:, : prompts // 2], 2000, 0) < 0.05).mean()
    assert half < 0.6
