"""Verdicts after Holm: what they need, whom they touch, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.measures import certainty, comparison, decisions
from tasks.measures.comparison import HIGHER, LOWER, SAME, Bootstrap

RULE = decisions.Rule(Bootstrap(0.95, 1000, 0), wanted_difference=0.02)


def around(mean: float, sd: float, seed: int, prompts: int = 100, seeds: int = 1) -> np.ndarray:
    """Values of just that mean and sd over prompts, in every seed."""
    drawn = np.random.default_rng(seed).normal(size=(seeds, prompts))
    drawn -= drawn.mean(axis=1, keepdims=True)
    return mean + sd * drawn / drawn.std(axis=1, ddof=1, keepdims=True)


def models(**means: float) -> dict[str, dict[str, np.ndarray]]:
    """SFT at 0 and branches so far above it, each on its own draw of prompts' differences, sd 1."""
    found = {"sft": np.zeros((1, 100))}
    found |= {name: around(mean, 1.0, place) for place, (name, mean) in enumerate(means.items())}
    return {name: {"gold": values, "characters": values} for name, values in found.items()}


def rows(given: dict) -> list[dict]:
    return decisions.decided(comparison.differences(given, "gold", RULE.bootstrap), given, "gold", RULE)


def of(found: list[dict], left: str, right: str, measure: str = "gold") -> dict:
    return next(r for r in found if (r["left"], r["right"], r["measure"]) == (left, right, measure))


def test_a_pair_that_its_interval_tells_apart_may_not_stand_among_many():
    alone = of(rows(models(a=0.22)), "a", "sft")  # t is 2.2: p about 0.03
    assert (alone["verdict"], alone["p"]) == (HIGHER, alone["p_holm"])
    among = of(rows(models(a=0.22, b=0.0, c=0.05)), "a", "sft")
    assert (among["low"], among["high"]) == (alone["low"], alone["high"])
    assert among["p"] == pytest.approx(alone["p"], abs=0.01)  # of more patterns, as there are more pairs
    assert among["low"] > 0
    assert among["p_holm"] == pytest.approx(6 * among["p"])  # the least of six
    assert among["verdict"] == SAME


def test_other_measures_stay_as_they_were():
    given = models(a=0.22, b=0.0, c=0.05)
    before, after = comparison.differences(given, "gold", RULE.bootstrap), rows(given)
    others = [row for row in after if row["measure"] == "characters"]
    assert others == [row for row in before if row["measure"] == "characters"]
    assert of(after, "a", "sft", "characters")["verdict"] == HIGHER  # uncorrected


def test_sizes_by_hand():
    row = of(rows(models(a=0.5, b=-0.5)), "a", "sft")
    assert row["effect_size"] == pytest.approx(0.5)
    # three pairs: t at 99 degrees of freedom is 2.43532 (1 - 0.05 / 6) and 0.99948 (0.84); sd / sqrt(100) = 0.1
    assert row["smallest_detectable"] == pytest.approx(0.343480, rel=1e-4)
    # z is 2.39398: (2.39398 + 0.99446)^2 x (1 / 0.02)^2 + 2.39398^2 / 2 = 28,706.6
    assert row["prompts_needed"] == pytest.approx(28_707, abs=2)
    assert of(rows(models(a=0.5, b=-0.5)), "b", "sft")["verdict"] == LOWER


def test_models_that_are_the_same_have_no_size():
    given = models(a=0.0)
    given["a"] = given["sft"]
    row = of(rows(given), "a", "sft")
    assert (row["p"], row["p_holm"], row["verdict"]) == (1.0, 1.0, SAME)
    assert (row["effect_size"], row["smallest_detectable"], row["prompts_needed"]) == (None, None, None)


def test_an_interval_that_holds_zero_is_never_overruled():
    given = {"left": "a", "right": "sft", "difference": 0.1, "low": -0.01, "high": 0.2, "p_holm": 0.01}
    assert decisions._judged(given, 0.05)["verdict"] == SAME
    assert decisions._judged({**given, "low": 0.01}, 0.05)["verdict"] == HIGHER
    assert decisions._judged({**given, "low": 0.01, "p_holm": 0.05}, RULE.level)["verdict"] == SAME


def general(count: int, spread: float) -> list[dict]:
    """A branch 0.2 above SFT on 100 prompts, its seeds `spread` apart."""
    shifts = spread * np.array([1.0, -1, 1, -1, 1, -1, 1, -1])[:count, None]
    given = {
        "sft": {"gold": np.zeros((1, 100))},
        "a": {"gold": shifts + around(0.2, 0.3, 1, seeds=count)},
    }
    found = decisions.decided(comparison.differences(given, "gold", RULE.bootstrap), given, "gold", RULE)
    assert found[0]["verdict"] == HIGHER  # of these seeds, whatever their spread
    return decisions.in_general(found, given, "gold", count, RULE)


def test_eight_seeds_carry_a_claim_about_others_and_seven_do_not():
    assert general(7, 0.0) == []
    (alike,) = general(8, 0.0)
    assert alike["verdict"] == HIGHER
    (apart,) = general(8, 0.5)
    assert apart["difference"] == pytest.approx(alike["difference"])
    assert apart["verdict"] == SAME
    assert apart["degrees_of_freedom"] == pytest.approx(7, abs=0.5)


def test_the_words_say_which_claim_is_made():
    few = {"seeds": [0, 1, 2], "in_general": {"greedy": []}}
    assert certainty.sentences(few) == [certainty.claim(few)]
    assert certainty.claim(few).startswith("No claim is made about a method in general: 3 seeds")
    many = {"seeds": list(range(8)), "in_general": {"greedy": general(8, 0.5)}, "headline": "gold"}
    (said,) = certainty.sentences(many)
    assert said.startswith("In general, a and sft: cannot tell apart on gold, +0.200 [")
    assert "no other sft" in certainty.claim(many)


def test_the_reason_names_what_was_missed():
    found = {"test": decisions.told(3, 100, RULE, 0.05)}
    row = {"verdict": SAME, "low": -0.1, "high": 0.1, "p_holm": 0.4, "smallest_detectable": 0.12}
    assert certainty.reason(found, row) == " (a true difference of 0.120 is found in 80 of 100 cases)"
    assert "the interval alone" in certainty.reason(found, {**row, "low": 0.01})
    assert certainty.reason(found, {**row, "smallest_detectable": None}) == ""
    assert certainty.reason(found, {**row, "verdict": HIGHER}) == " (p 0.400 after Holm over 3 pairs)"


def test_what_is_told_of_the_test():
    told = decisions.told(pairs=3, prompts=8, rule=RULE, wanted_win_gap=0.05)
    assert told["patterns"] == 256  # all of 8 prompts
    assert decisions.told(3, 400, RULE, 0.05)["patterns"] == 1200  # 20 below 0.05 / 3
    # z is 2.39398, and 0.99446 for 0.84: 11.48151 x 0.9975 / 0.0025 + 2.87 = 4584.0
    assert told["win_gap_prompts"] == pytest.approx(4584, abs=1)
