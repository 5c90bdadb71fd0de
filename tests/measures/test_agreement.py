"""Agreement, Cohen's kappa and the longer summary: by hand, with ties and abstentions, documents resampled."""

import numpy as np
import pytest

from tasks.measures.agreement import kappa, measured, useful
from tasks.measures.comparison import Bootstrap

BOOTSTRAP = Bootstrap(0.95, 1000, 0)


def of(human, judge, longer=None, documents=None):
    count = len(human)
    longer = [1.0] * count if longer is None else longer
    documents = range(count) if documents is None else documents
    return measured(
        *(np.array(list(each), dtype=float) for each in (human, judge, longer, documents)), BOOTSTRAP
    )


def table(both_left, left_right, right_left, both_right):
    """Verdicts of human and judge with these counts."""
    human = [1] * (both_left + left_right) + [0] * (right_left + both_right)
    judge = [1] * both_left + [0] * left_right + [1] * right_left + [0] * both_right
    return human, judge


def test_kappa_by_hand():
    """20 and 15 of 50 agree: 0.7. By chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5. (0.7 - 0.5) / (1 - 0.5) = 0.4."""
    found = of(*table(20, 5, 10, 15))
    assert found["agreement"]["mean"] == pytest.approx(0.7)
    assert found["kappa"]["mean"] == pytest.approx(0.4)
    assert found["kappa"]["low"] < 0.4 < found["kappa"]["high"]
    assert found["kappa_with_ties"] == found["kappa"]


def test_kappa_with_three_verdicts_by_hand():
    """Rows people, columns judge, of left, tie, right: [2 1 1], [0 2 0], [1 1 2]. 6 of 10 agree; by chance
    (4 * 3 + 2 * 4 + 4 * 3) / 100 = 0.32; (0.6 - 0.32) / 0.68 = 7 / 17."""
    human = [1, 1, 1, 1, 0.5, 0.5, 0, 0, 0, 0]
    judge = [1, 1, 0.5, 0, 0.5, 0.5, 1, 0.5, 0, 0]
    found = of(human, judge)
    assert found["agreement_with_ties"]["mean"] == pytest.approx(0.6)
    assert found["kappa_with_ties"]["mean"] == pytest.approx(7 / 17)
    assert found["agreement"]["mean"] == pytest.approx(4 / 6)  # of the six on which both name a winner
    assert (found["human_ties"], found["judge_ties"], found["abstained"]) == (2, 4, 0)


def test_kappa_has_no_value_where_chance_agrees_everywhere():
    assert np.isnan(kappa(np.array([[5.0, 0, 0, 0, 0, 0, 0, 0, 0]])))[0]
    assert of([1, 1, 1], [1, 1, 1])["kappa"] is None
    assert of([1, 1, 1], [1, 1, 1])["agreement"]["mean"] == 1


def test_an_abstention_counts_nowhere_but_as_itself():
    found = of([1, 1, 0, 0], [1, np.nan, 0, np.nan])
    assert found["agreement"]["mean"] == found["agreement_with_ties"]["mean"] == 1
    assert (found["pairs"], found["abstained"]) == (4, 2)
    assert of([1, 0], [np.nan, np.nan])["agreement"] is None


def test_the_gain_over_the_longer_by_hand():
    """Credit of the judge 1, 1, 0.5, 0; of the longer 1, 0, 1, 0.5 (equal lengths): gains 0, 1, -0.5, -0.5. Human ties
    say nothing of who is right."""
    found = of([1, 0, 0, 1, 0.5], [1, 0, 0.5, 0, 1], [1, 1, 0, 0.5, 1])
    assert found["above_longer"]["mean"] == pytest.approx(0.0)
    assert found["longer"]["mean"] == pytest.approx(
        2 / 3
    )  # of the three pairs with unlike lengths and a winner


def test_pairs_of_one_document_are_drawn_together():
    """Ten documents of 20 like pairs each are ten draws, not 200."""
    judge = np.repeat([1, 0, 1, 1, 0, 1, 1, 0, 1, 1], 20)
    apart, together = of([1] * 200, judge), of([1] * 200, judge, documents=np.repeat(range(10), 20))
    assert apart["agreement"]["mean"] == together["agreement"]["mean"] == pytest.approx(0.7)
    widths = [found["agreement"]["high"] - found["agreement"]["low"] for found in (apart, together)]
    assert widths[1] > 3 * widths[0]
    assert (apart["documents"], together["documents"]) == (200, 10)


def test_only_who_clearly_beats_length_and_a_coin_is_useful():
    human = [1.0, 0.0] * 100
    judge = np.array(human)
    judge[:40] = 1 - judge[:40]  # right on 160 of 200
    assert useful(of(human, judge, longer=[1.0] * 200))  # the longer is right on one half
    assert not useful(of(human, judge, longer=judge))  # it is the longer
    coin = np.array(human)
    coin[:100] = 1 - coin[:100]
    assert not useful(
        of(human, coin, longer=1 - np.array(human))
    )  # far above the longer, which is always wrong
    assert not useful(of(human, [np.nan] * 200))
