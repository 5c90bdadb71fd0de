"""Best-of-n from order statistics: against the enumeration of every choice of n."""

from itertools import combinations
from math import log

import numpy as np
import pytest

from tasks.measures import best_of

RANKING = np.random.default_rng(3).normal(size=(4, 5))
VALUES = np.random.default_rng(4).normal(size=(4, 5))
TIED = np.array([[1.0, 2.0, 2.0, 0.0, 2.0], [0.0] * 5, [3.0, 1.0, 3.0, 1.0, 2.0], [0.0, 0.0, 1.0, 1.0, 1.0]])


def by_enumeration(ranking_PN, values_PN, n):
    """The mean over all choices of n; of equals the first one wins."""
    found = []
    for ranks, values in zip(ranking_PN, values_PN, strict=True):
        bests = [
            max(chosen, key=lambda place: (ranks[place], -place))
            for chosen in combinations(range(len(ranks)), n)
        ]
        found.append(np.mean([values[place] for place in bests]))
    return np.array(found)


@pytest.mark.parametrize("ranking", [RANKING, TIED])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_it_is_the_mean_over_every_choice_of_n(ranking, n):
    expected = by_enumeration(ranking, VALUES, n)
    assert np.abs(best_of.expected(ranking, VALUES, n) - expected).max() < 1e-12
    if n > 1:
        assert np.abs(best_of.expected(-ranking, VALUES, n) - expected).max() > 0.1  # the worst would be seen


def test_the_best_of_one_is_the_plain_mean_and_that_of_all_is_the_best():
    assert best_of.expected(RANKING, VALUES, 1) == pytest.approx(VALUES.mean(1), abs=1e-12)
    assert best_of.expected(RANKING, RANKING, 5) == pytest.approx(RANKING.max(1), abs=1e-12)
    assert best_of.expected(RANKING, VALUES, 5) == pytest.approx(
        VALUES[range(4), RANKING.argmax(1)], abs=1e-12
    )


@pytest.mark.parametrize("most", [1, 2, 5, 64])
def test_weights_sum_to_1_and_lie_on_the_upper_ranks(most):
    for n in range(1, most + 1):
        found = best_of.weights(n, most)
        assert found.sum() == pytest.approx(1, abs=1e-12)
        assert (found[: n - 1] == 0).all()  # n - 1 others are below the best of n


def test_the_bound_is_0_for_one_and_grows_with_n():
    assert best_of.kl_bound(1) == 0
    assert best_of.kl_bound(2) == pytest.approx(log(2) - 0.5)
    assert best_of.kl_bound(5) == pytest.approx(0.8094, abs=1e-4)
    assert np.all(np.diff([best_of.kl_bound(n) for n in range(1, 65)]) > 0)


def test_the_bound_holds_for_a_distribution_with_ties():
    chances, rewards = np.array([0.1, 0.25, 0.15, 0.3, 0.2]), np.array([0.0, 1.0, 1.0, 2.0, 3.0])
    for n in (2, 3, 5):
        at_most, below = (
            np.array([chances[one(rewards, reward)].sum() for reward in rewards])
            for one in (np.less_equal, np.less)
        )
        best = chances * (at_most**n - below**n) / (at_most - below)
        assert best.sum() == pytest.approx(1, abs=1e-12)
        assert 0 < (best * np.log(best / chances)).sum() <= best_of.kl_bound(n)


def test_it_tells_of_powers_of_two_and_of_all():
    assert [best_of.sizes(most) for most in (1, 2, 4, 6)] == [[1], [1, 2], [1, 2, 4], [1, 2, 4, 6]]


def test_unlike_shapes_are_refused():
    with pytest.raises(ValueError, match=r"both must be \[prompts, samples\]"):
        best_of.expected(RANKING, VALUES[:, :4], 2)
    with pytest.raises(ValueError, match=r"both must be \[prompts, samples\]"):
        best_of.expected(RANKING[0], VALUES[0], 2)
