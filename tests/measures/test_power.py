"""Sample sizes by hand, and against the exact noncentral t."""

from __future__ import annotations

import math

import pytest
from statsmodels.stats.power import TTestPower

from tasks.measures import power


def test_the_smallest_detectable_difference_by_hand():
    # t at 99 degrees of freedom is 1.98422 (0.975) and 0.99948 (0.84); 0.2 / sqrt(100) = 0.02
    assert power.smallest_detectable(0.2, 100, 0.05) == pytest.approx((1.98422 + 0.99948) * 0.02, rel=1e-5)


def test_the_prompts_needed_by_hand():
    # (1.959964 + 0.994458)^2 = 8.728609; times (0.26 / 0.02)^2 = 169 is 1475.13; plus 1.959964^2 / 2 = 1.92
    assert power.prompts_needed(0.26, 0.02, 0.05) == 1478


@pytest.mark.parametrize("level", [0.05, 0.05 / 3, 0.05 / 171])
@pytest.mark.parametrize("prompts", [30, 400])
def test_both_agree_with_the_exact_power(prompts, level):
    difference = power.smallest_detectable(0.25, prompts, level)
    exact = TTestPower().power(difference / 0.25, nobs=prompts, alpha=level)
    assert exact == pytest.approx(power.PLANNED, abs=0.02)
    assert power.prompts_needed(0.25, difference, level) == pytest.approx(prompts, abs=2)


def test_a_gap_between_win_rates_by_hand():
    # without ties the variance of 1 and -1 is 1 - 0.05^2: 8.728609 x 0.9975 / 0.0025 + 1.92 = 3484.6
    assert power.win_gap_prompts(0.05, 0.0, 0.05) == 3485
    # a quarter of ties: 8.728609 x 0.7475 / 0.0025 + 1.92 = 2611.8
    assert power.win_gap_prompts(0.05, 0.25, 0.05) == 2612
    assert (
        power.win_gap_prompts(1.0, 0.0, 0.05) == 6
    )  # always a win: 2 of 64 patterns are as far out, 2 of 32 too many


def test_so_few_prompts_that_no_pattern_of_signs_is_rare_find_nothing():
    assert power.smallest_detectable(0.2, 5, 0.05) is None  # 2 of 32 patterns: p is never below 0.0625
    assert power.smallest_detectable(0.2, 6, 0.05) is not None
    assert power.prompts_needed(0.001, 0.9, 0.05) == 6


def test_without_spread_nothing_is_said():
    assert power.smallest_detectable(0.0, 400, 0.05) is None
    assert power.prompts_needed(0.0, 0.02, 0.05) is None
    assert power.effect_size(0.1, 0.0) is None
    assert power.effect_size(-0.1, 0.2) == pytest.approx(-0.5)


@pytest.mark.parametrize(("gap", "ties"), [(0.0, 0.0), (0.6, 0.5), (0.1, -0.1), (math.nan, 0.0)])
def test_gaps_that_cannot_be_are_refused(gap, ties):
    with pytest.raises(ValueError, match="do not go together"):
        power.win_gap_prompts(gap, ties, 0.05)


def test_a_wanted_difference_of_nothing_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        power.prompts_needed(0.2, 0.0, 0.05)
