"""Win rates of judges who score one summary at a time: by hand, ties, seeds, abstentions."""

import numpy as np
import pytest

from tasks.measures.comparison import Bootstrap
from tasks.measures.contests import pairs, rate
from tasks.measures.duels import TIE, Duels, by_prompt, pointwise, rates

BOOTSTRAP = Bootstrap(0.95, 1000, 0)


def models(**scores):
    """Models with these scores [S][P] and texts of equal lengths."""
    return {
        name: {"gold": np.array(some, dtype=float), "characters": np.zeros(np.shape(some))}
        for name, some in scores.items()
    }


def duels(shares_SP, **more):
    shares_SP = np.array(shares_SP, dtype=float)
    given = {"longer_SP": np.zeros(shares_SP.shape), "abstained": 0, "flip_rate": None, "always": None} | more
    return Duels("a", "sft", "grader", shares_SP, **given)


def test_four_prompts_by_hand():
    """Two wins, a tie and a loss: (2 + 0.5) / 4 = 0.625."""
    every = pointwise(models(sft=[[0.5, 0.5, 0.5, 0.5]], a=[[0.9, 0.6, 0.5, 0.1]]), "exact", "gold")
    row = rates(every, BOOTSTRAP)[0]
    assert (row["left"], row["right"], row["judge"]) == ("a", "sft", "exact")
    assert (row["wins"], row["ties"], row["losses"], row["abstained"]) == (2, 1, 1, 0)
    assert row["win_rate"] == 0.625
    assert row["length_controlled"] == pytest.approx(
        0.625, abs=2e-3
    )  # all of one length; the ridge of 4 prompts
    assert 0 <= row["low"] < 0.625 < row["high"] <= 1
    assert row["flip_rate"] is None


def test_scores_that_differ_by_rounding_are_a_tie():
    shares = [
        pointwise(models(sft=[[0.5, 0.5]], a=[[0.5 + off, 0.5]]), "exact", "gold")[0].shares_SP[0, 0]
        for off in (TIE / 2, -TIE / 2, 2 * TIE, -2 * TIE)
    ]
    assert shares == [0.5, 0.5, 1.0, 0.0]


def test_seed_meets_seed_and_sft_meets_every_seed():
    """a wins at seed 0 and loses at seed 1 against sft; against b, whose seeds are turned round, it wins and loses."""
    given = models(sft=[[0.5, 0.5]], a=[[0.9, 0.9], [0.1, 0.1]], b=[[0.1, 0.1], [0.9, 0.9]])
    to_sft, other_to_sft, between = pointwise(given, "exact", "gold")
    assert to_sft.shares_SP.tolist() == [[1, 1], [0, 0]]
    assert other_to_sft.shares_SP.tolist() == [[0, 0], [1, 1]]
    assert between.shares_SP.tolist() == [[1, 1], [0, 0]]
    row = rates([between], BOOTSTRAP)[0]
    assert (row["wins"], row["losses"], row["win_rate"], row["low"], row["high"]) == (2, 2, 0.5, 0.5, 0.5)


def test_unlike_numbers_of_seeds_are_refused():
    with pytest.raises(ValueError, match="2 seeds against 3"):
        pointwise(models(sft=[[0.0]], a=[[0.0]] * 2, b=[[0.0]] * 3), "exact", "gold")


def test_every_branch_meets_sft_and_each_later_branch_once():
    assert pairs(["sft", "a", "b", "c"]) == [
        *(("a", "sft"), ("b", "sft"), ("c", "sft")),
        *(("a", "b"), ("a", "c"), ("b", "c")),
    ]


def test_an_abstention_is_no_verdict_and_its_prompt_is_left_out():
    """Prompt 0: the mean of 1 and nothing; prompt 1: of 0 and 0.5; prompt 2 has none. (1 + 0.25) / 2 = 0.625."""
    given = duels([[1, 0, np.nan], [np.nan, 0.5, np.nan]], abstained=3, flip_rate=0.25)
    assert by_prompt(given.shares_SP).tolist() == [1.0, 0.25]
    row = rates([given], BOOTSTRAP)[0]
    assert (row["win_rate"], row["wins"], row["ties"], row["losses"]) == (0.625, 1, 1, 1)
    assert (row["abstained"], row["flip_rate"]) == (3, 0.25)


def test_fewer_than_two_judged_prompts_give_no_rate():
    row = rates([duels([[np.nan, np.nan, 1.0]])], BOOTSTRAP)[0]
    assert row["win_rate"] is row["low"] is row["high"] is None
    assert row["wins"] == 1


def test_pairs_with_other_prompts_left_out_keep_their_own_intervals():
    whole, part = duels([[1, 0, 1, 0.5, 1]]), duels([[1, 0, 1, np.nan, 1]])
    together = rates([whole, part, whole], BOOTSTRAP)
    assert together == [*rates([whole], BOOTSTRAP), *rates([part], BOOTSTRAP), *rates([whole], BOOTSTRAP)]
    assert together[1]["win_rate"] == 0.75


def test_the_flip_rate_is_of_those_that_are_known():
    assert rate([True, None, False, False, None, False]) == 0.25
    assert rate([None, None]) is None
    assert rate([]) is None
