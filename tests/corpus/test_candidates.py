"""A round's rows: best against worst, ties and unreadable ones left out; or those of the highest score alone."""

import pytest

from tasks.corpus import pairs
from tasks.corpus.candidates import Asked, Candidate, paired, positives


def asked(name, *scored):
    return Asked(name, f"prompt {name}", [Candidate(text, score) for text, score in scored])


def test_chosen_is_the_best_and_rejected_the_worst():
    rows, dropped = paired([asked("a", ("x", 2.0), ("y", 4.5), ("z", 1 / 3))], "self", None)
    assert [(row["id"], row["prompt"], row["chosen"], row["rejected"]) for row in rows] == [
        ("a", "prompt a", "y", "z")
    ]
    assert rows[0]["margin"] == pytest.approx(4.5 - 1 / 3)
    assert rows[0].keys() == set(pairs.SCHEMA.names)
    assert not any(dropped.values())


def test_of_equals_the_first_stands_for_them():
    (row,), _ = paired([asked("a", ("x", 1.0), ("y", 3.0), ("z", 3.0), ("w", 1.0))], "self", None)
    assert (row["chosen"], row["rejected"]) == ("y", "x")


def test_ties_give_no_row_and_averages_are_not_rounded():
    some = [asked("a", ("x", 2.0), ("y", 2.0)), asked("b", ("x", 2.0), ("y", 2.0 + 1 / 3))]
    rows, dropped = paired(some, "self", None)
    assert [row["id"] for row in rows] == ["b"]
    assert dropped["tied"] == 1


def test_what_could_not_be_read_is_neither_zero_nor_rejected():
    rows, dropped = paired(
        [asked("a", ("x", None), ("y", 3.0), ("z", 4.0)), asked("b", ("x", None), ("y", 5.0))], "self", None
    )
    assert [(row["chosen"], row["rejected"]) for row in rows] == [("z", "y")]
    assert dropped["without_two"] == 1


def test_pairs_of_unlike_length_are_left_out_where_that_is_asked():
    some = [asked("a", ("x" * 10, 1.0), ("y" * 8, 2.0)), asked("b", ("x" * 10, 1.0), ("y" * 7, 2.0))]
    rows, dropped = paired(some, "self", 0.2)
    assert [row["id"] for row in rows] == ["a"]
    assert dropped["lengths_apart"] == 1
    assert len(paired(some, "self", None)[0]) == 2


def test_positives_are_all_that_score_enough():
    rows, dropped = positives([asked("a", ("x", 5.0), ("y", 4.9), ("z", 5.0)), asked("b", ("x", None))], 5.0)
    assert [(row["id"], row["completion"]) for row in rows] == [("a", "x"), ("a", "z")]
    assert dropped["without_positive"] == 1
