"""A language model as judge: means of what could be read, and an accuracy in which nobody gains by not answering."""

import pytest

from tasks.engine.self_judge import accuracy, averaged


def test_a_score_is_the_mean_of_the_readable_ones_and_not_rounded():
    found = averaged([[4.0, 5.0, None], [None, None], [1.0, 2.0, 2.0]], tokens=7)
    assert found.scores == [4.5, None, pytest.approx(5 / 3)]
    assert (found.readable, found.unreadable, found.tokens) == (5, 3, 7)
    assert found.histogram() == {"2": 1, "4": 1}  # 4.5 is rounded to the even one


def test_accuracy_counts_ties_and_unreadable_ones_as_half():
    told = accuracy([5.0, 2.0, 3.0, None], [1.0, 4.0, 3.0, 2.0])  # right, wrong, tied, unreadable
    assert told.accuracy == 0.5
    assert (told.pairs, told.tied, told.unreadable) == (4, 1, 1)


@pytest.mark.parametrize(
    ("chosen", "rejected", "share"),
    [
        ([3.0] * 9, [3.0] * 9, 0.5),
        ([None] * 9, [1.0] * 9, 0.5),
        ([2.0] * 9, [1.0] * 9, 1.0),
        ([1.0], [2.0], 0.0),
    ],
)
def test_who_always_says_the_same_is_a_guesser(chosen, rejected, share):
    assert accuracy(chosen, rejected).accuracy == share


def test_its_deviation_is_that_of_a_mean():
    # 3 right and 1 wrong: variance 0.25, of the mean 0.25 / 4
    assert accuracy([2.0] * 4, [1.0, 1.0, 1.0, 3.0]).deviation == pytest.approx(0.25)


def test_without_pairs_there_is_no_accuracy():
    with pytest.raises(ValueError, match="no pair"):
        accuracy([], [])
