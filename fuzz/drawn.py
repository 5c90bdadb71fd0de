"""Rows that nobody thought of: drawn by hypothesis, and made small where one shows a fault."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz import doors
from fuzz.doors import DOORS, FAULTS, LOST, NOTHING, Door, Row
from fuzz.run import Tally

TEXT = st.text(
    st.one_of(
        st.sampled_from("\u200b\ufeff\r\n\t\x00\x1b<|>/s#:：\ud800\u1100\u1161{}[]\"'\\"), st.characters()
    ),
    max_size=30,
)
VALUE: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
NUMBER = 9  # of the good row that is spoilt


def row(door: Door) -> st.SearchStrategy[Row]:
    """A good row of the door with some fields of any value."""
    good = door.good(NUMBER)
    return st.dictionaries(st.sampled_from(list(good)), VALUE, min_size=1).map(lambda bad: {**good, **bad})


def outcome(door: Door, folder: Path, bad: Row) -> str:
    """What became of the row between three good ones."""
    good = [door.good(number) for number in range(3)]
    path = folder / "drawn.jsonl"
    path.write_bytes(b"\n".join(doors.line_of(one) for one in (good[0], bad, *good[1:])))
    what = doors.outcome(door, path, good, bad)
    return LOST if what == NOTHING else what


def through(tally: Tally, folder: Path, examples: int) -> None:
    """Nothing; so many rows through each door. Every run draws the same."""
    few = settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    for door in DOORS:
        with suppress(AssertionError):  # the tally has it, and smaller ones of its kind
            few(_trying(tally, folder, door))()


def _trying(tally: Tally, folder: Path, door: Door) -> Callable[[], None]:
    @given(bad=row(door))
    def try_one(bad: Row) -> None:
        what = outcome(door, folder, bad)
        tally.add(door.name, "drawn", what, doors.line_of(bad))
        assert what not in FAULTS

    return try_one
