"""Sign flips counted by hand, and Holm's correction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from tasks.measures import permutation


def p_of(*values: float, flips: int = 10_000, seed: int = 0) -> float:
    return float(permutation.sign_flip(np.array([values]), flips, seed)[0])


@pytest.mark.parametrize(
    ("values", "patterns"),
    [
        ((1, 2, 3, 4, 5), 2),  # all of one sign
        ((-1, 2, 3, 4, 5), 4),  # |sum| of 13 or more: turn nothing or the 1, and the same of the other sign
        ((-1, -2, 3, 4, 5), 10),  # 9 or more: turn {}, {1}, {2}, {3} or {1, 2}, whose sum is 3 at most
        ((1, -1, 1, -1, 1), 32),  # nothing lies nearer to 0
        ((0, 0, 0, 0, 0), 32),
    ],
)
def test_all_patterns_of_five_prompts_are_counted(values, patterns):
    assert p_of(*values) == patterns / 32


def test_prompts_without_a_difference_decide_nothing():
    assert p_of(-1, -2, 3, 4, 5, 0, 0) == 10 / 32


def test_a_tie_is_a_tie_though_its_sum_was_rounded():
    assert sum((0.1, 0.2, -0.3)) != 0  # it is 0 for a reader, and so every pattern lies as far out
    assert p_of(0.1, 0.2, -0.3) == 1


def test_drawn_patterns_come_near_the_exact_share_and_never_give_zero():
    values = np.random.default_rng(5).normal(0.4, 1, 14)
    exact, drawn = p_of(*values, flips=2**14), p_of(*values, flips=2**14 - 1)
    assert exact != drawn
    assert drawn == pytest.approx(
        exact, abs=0.012
    )  # 3 standard errors of a share of 16,383 are 0.012 at most
    assert p_of(*[1.0] * 100, flips=999) == 1 / 1000


def test_it_agrees_with_scipy():
    values = np.random.default_rng(6).exponential(size=11) - 0.6
    theirs = stats.permutation_test((values,), np.mean, permutation_type="samples", vectorized=True, axis=-1)
    lower, upper = (
        stats.permutation_test(
            (values,), np.mean, permutation_type="samples", axis=-1, alternative=side
        ).pvalue
        for side in ("less", "greater")
    )
    assert p_of(*values) == pytest.approx(theirs.pvalue)  # symmetric, so twice the smaller side is both
    assert p_of(*values) == pytest.approx(2 * min(lower, upper))


def test_a_row_does_not_depend_on_its_company():
    rows = np.random.default_rng(7).normal(0.1, 1, size=(30, 50))
    together = permutation.sign_flip(rows, 2000, 0)
    assert together[11] == permutation.sign_flip(rows[11:12], 2000, 0)[0]
    assert (together != permutation.sign_flip(rows, 2000, 1)).any()


def test_p_values_of_equal_models_are_spread_evenly():
    rng = np.random.default_rng(8)
    rows = rng.choice([-0.5, -0.25, 0, 0.25, 0.5], size=(1000, 80)) * rng.random((1, 80))
    p = permutation.sign_flip(rows, 1000, 0)
    for level in (0.05, 0.2, 0.5):  # within 4 standard errors, of both kinds of draw
        assert abs((p <= level).mean() - level) < 4 * np.sqrt(level * (1 - level) / 1000)


def test_holm_by_hand():
    # in order: 4 x 0.005, 3 x 0.01, 2 x 0.03, 1 x 0.04; the last may not be less than the one before it
    found = permutation.holm([0.01, 0.04, 0.03, 0.005])
    assert found == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert permutation.holm([0.6, 0.7]) == pytest.approx([1, 1])
    assert permutation.holm([]).size == 0
    many = np.random.default_rng(0).random(40).round(2) ** 3  # ties too
    assert permutation.holm(many) == pytest.approx(multipletests(many, method="holm")[1])


def test_many_pairs_are_given_patterns_enough_to_be_decided_at_all():
    flips = permutation.flips(1000, rows=171, level=0.05)
    assert 171 / (flips + 1) < 0.05 / 19  # the least corrected p-value lies far below the level
    assert permutation.flips(10_000, rows=3, level=0.05) == 10_000


@pytest.mark.parametrize("rows", [np.zeros(4), np.zeros((2, 0)), np.array([[0.0, np.nan]])])
def test_what_has_no_patterns_is_refused(rows):
    with pytest.raises(ValueError, match="rows must be"):
        permutation.sign_flip(rows, 1000, 0)
