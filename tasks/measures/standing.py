"""Who stands where after a comparison: a champion, or challengers, or nobody; by its verdicts and by no mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tasks.measures.comparison import HIGHER, LOWER
from tasks.measures.evaluations import SFT


class Standing(NamedTuple):
    """At most one of the two is filled."""

    champion: str | None
    challengers: tuple[str, ...]  # in the order of params.yaml


def standing(found: Mapping[str, Any]) -> Standing:
    """The branches told apart as higher than SFT and as lower than no other branch, on the headline of greedy texts.

    One such branch is the champion. Several cannot be told apart from one another, or one of them would be lower, so
    that none of them is: they are challengers.

    found: comparison.json.
    """
    rows = [row for row in found["differences"]["greedy"] if row["measure"] == found["headline"]]
    higher = {row["left"] for row in rows if row["right"] == SFT and row["verdict"] == HIGHER}
    lower = {row["left"] for row in rows if row["right"] != SFT and row["verdict"] == LOWER}
    lower |= {row["right"] for row in rows if row["right"] != SFT and row["verdict"] == HIGHER}
    names = [branch["name"] for branch in found["branches"]]
    first = tuple(name for name in names if name in higher - lower)
    return Standing(first[0], ()) if len(first) == 1 else Standing(None, first)
