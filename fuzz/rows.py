"""Bad rows for a door: every text and every value in every field, and lines that are no row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from fuzz.doors import Door, Row, line_of
from fuzz.texts import texts
from fuzz.values import TURNS, VALUES, lines


class Case(NamedTuple):
    """A bad line of its kind; `row` where it is one."""

    kind: str
    line: bytes
    row: Row | None


def cases(door: Door) -> Iterator[Case]:
    """Every bad line for the door, in a fixed order."""
    number = 1000
    for kind, text in texts():
        for name in door.texts[:1] if kind == "giant" else door.texts:
            number += 1
            good = door.good(number)
            yield _case(kind, {**good, name: f"{good[name]} {text}."})
            yield _case(kind, {**good, name: text})
    for value in VALUES:
        for name in door.good(0):
            number += 1
            yield _case("wrong type", {**door.good(number), name: value})
    for name in door.good(0):
        number += 1
        yield _case("missing field", {key: value for key, value in door.good(number).items() if key != name})
    yield from _turns(door, number)
    yield from (Case(kind, line, None) for kind, line in lines(door.good(number + 500)))
    yield from _shapes(door)


def _case(kind: str, row: Row) -> Case:
    return Case(kind, line_of(row), row)


def _turns(door: Door, number: int) -> Iterator[Case]:
    if door.name in ("documents", "unlabelled"):
        for place, turns in enumerate(TURNS):
            good = door.good(number + 100 + place)
            yield _case("speaker", {**good, "document": [*turns, {"speaker": "끝", "text": str(place)}]})


def _shapes(door: Door) -> Iterator[Case]:
    """Rows of other tools' forms, ties, and the same row again."""
    good: dict[str, Any] = door.good(0)  # which stands before it, too
    yield _case("duplicate", good)
    text = door.texts[0]
    yield _case("duplicate", {**good, text: f" {good[text]}\u200b"})
    if door.name == "own pairs":
        yield _case("tie", {**door.good(7), "rejected": door.good(7)["chosen"]})
        yield _case("tie", {**door.good(8), "rejected": f"\ufeff{door.good(8)['chosen']}\r\n"})
        human = [{"from": "human", "value": "가"}, {"from": "gpt", "value": "나"}]
        yield _case("other form", {"conversations": human, "chosen": human[1], "rejected": human[1]})
        yield _case(
            "other form", {"instruction": "가", "response1": "나", "response2": "다", "scores": [1, 2]}
        )
        yield _case("other form", {"prompt": human, "chosen": "나", "rejected": "다"})
    if door.name == "own ratings":
        first = door.good(0)
        yield _case("tie", {**first, "label": not first["label"]})
    if door.name == "rated set":
        base = {"document": "글", "summary": "요약"}
        yield from (
            _case("other form", {**base, "scores": given}) for given in ({}, [], {"a": "x"}, {"a": True}, 5)
        )
        yield from (
            _case("other form", {**base, "score": given}) for given in ("5/5", "1_0", "", "높음", 10**400)
        )
        yield from (
            _case("other form", {"document": "글", "candidates": given}) for given in ([], [5], "x", [{}])
        )
        yield _case("other form", {**door.good(3), "references": "하나"})
        yield _case("left alone", {**base, "score": 3})
