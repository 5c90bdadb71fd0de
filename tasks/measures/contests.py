"""What a judge of two summaries is given, and what comes of it: the words that asking, keeping and comparing share."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tasks.measures.evaluations import SFT

Pair = tuple[str, str]  # two models without their seeds, left and right
Place = tuple[int, int]  # a prompt and a seed, by their number


class Contest(NamedTuple):
    """A document and two summaries of it."""

    document: str
    left: str
    right: str


class Outcome(NamedTuple):
    """share: what the left won, 1, 0.5 or 0, None where the judge abstained; flipped: whether its two orders differ."""

    share: float | None
    flipped: bool | None  # None where there are not two verdicts


class Played(NamedTuple):
    """By pair, the outcome of each duel that was judged; and how many were not, as their pair was decided."""

    outcomes: Mapping[Pair, Mapping[Place, Outcome]]
    saved: int


def pairs(names: Sequence[str]) -> list[Pair]:
    """Every branch against sft, then every branch against each later one."""
    branches = [name for name in names if name != SFT]
    return [*((name, SFT) for name in branches), *itertools.combinations(branches, 2)]


def rate(flips: Sequence[bool | None]) -> float | None:
    """Share of those that are true, of those that are known; None without any."""
    known = [flipped for flipped in flips if flipped is not None]
    return sum(known) / len(known) if known else None
