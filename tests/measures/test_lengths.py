"""Gains by length, by hand."""

import numpy as np
import pytest

from tasks.measures import lengths


def models(characters, gold):
    """SFT writes 10 characters everywhere and scores 0.5; the branch as given, [S, P]."""
    flat = np.ones((1, len(characters[0])))
    return {
        "sft": {"characters": 10 * flat, "gold": 0.5 * flat},
        "dpo": {"characters": np.array(characters, float), "gold": np.array(gold, float)},
    }


def test_the_gain_is_split_by_who_writes_longer():
    """Mean lengths 12, 10, 8, 11: two of four are longer, with gains of 0.3 and 0.1; the others have 0 and -0.2."""
    found = models([[14, 10, 8, 11], [10, 10, 8, 11]], [[0.8, 0.5, 0.3, 0.6]] * 2)
    assert lengths.gains(found, "dpo", "gold") == pytest.approx((0.5, 0.2, -0.1))


def test_where_nobody_writes_longer_there_is_no_gain_by_it():
    share, longer, others = lengths.gains(models([[10, 9]], [[0.7, 0.5]]), "dpo", "gold")
    assert (share, longer, others) == (0.0, None, pytest.approx(0.1))


def test_quantiles_are_over_all_seeds_and_prompts():
    assert lengths.quantiles(np.arange(101.0).reshape(1, 101)) == [5, 25, 50, 75, 95]
