"""Cures of pairs: which rows are left, turned, smoothed and held to a margin."""

import pyarrow as pa
import pytest

from tasks.measures import cures

STRENGTHS = [-2.0, 0.5, -1.0, 3.0, 1.0]


def row(number):
    return {
        "id": str(number),
        "prompt": f"글 {number}",
        "chosen": "길고 좋은 요약",
        "rejected": "말",
        "score_chosen": 0.9,
        "score_rejected": 0.2,
        "margin": 0.7,
        "characters_chosen": 8,
        "characters_rejected": 1,
        "gold": "사실",
        "judge": "exact",
    }


ROWS = [row(number) for number in range(5)]


def cured(dropped=(), turned=(), smoothed=(), alpha=0.0, margin=0.0):
    return cures.cured(ROWS, STRENGTHS, dropped, turned, smoothed, alpha, margin)


def test_a_flip_turns_all_that_belongs_to_a_side():
    found = cures.flip(row(0))
    assert (found["chosen"], found["rejected"]) == ("말", "길고 좋은 요약")
    assert (found["score_chosen"], found["score_rejected"], found["margin"]) == (0.2, 0.9, -0.7)
    assert (found["characters_chosen"], found["characters_rejected"]) == (1, 8)
    assert (found["prompt"], found["gold"], found["flipped"]) == ("글 0", "사실", True)


def test_flipped_twice_is_the_pair_itself():
    whole = cured(margin=2.0)[0]
    assert cures.flip(whole) != whole
    assert cures.flip(cures.flip(whole)) == whole


def test_a_pair_without_scores_flips_too():
    bare = row(0) | {"score_chosen": None, "score_rejected": None, "margin": None}
    assert cures.flip(bare)["margin"] is None


def test_without_a_cure_the_rows_are_as_they_were():
    for before, after in zip(ROWS, cured(), strict=True):
        assert before.items() <= after.items()
        assert (after["flipped"], after["smoothing"], after["wanted_margin"]) == (False, 0, 0)


def test_dropped_rows_are_gone_and_the_others_keep_their_order():
    assert [one["id"] for one in cured(dropped=[2, 0])] == ["1", "3", "4"]


def test_a_turned_row_has_the_opposite_strength_and_margin():
    found = cured(turned=[0], margin=0.5)
    assert (found[0]["chosen"], found[0]["strength"], found[0]["wanted_margin"]) == ("말", 2.0, 1.0)
    assert (found[1]["chosen"], found[1]["strength"], found[1]["wanted_margin"]) == (
        "길고 좋은 요약",
        0.5,
        0.25,
    )


def test_smoothing_is_of_the_smoothed_alone():
    assert [one["smoothing"] for one in cured(smoothed=[2, 4], alpha=0.3)] == [0, 0, 0.3, 0, 0.3]


def test_the_rows_fit_their_schema():
    table = pa.Table.from_pylist(cured(turned=[1], smoothed=[2], alpha=0.1, margin=1.0), schema=cures.SCHEMA)
    assert table.num_rows == 5
    assert table["wanted_margin"].to_pylist() == pytest.approx([-2.0, -0.5, -1.0, 3.0, 1.0])
