"""Negations turned around: what a summary denies and its document affirms, or the other way round.

ROUGE loses one or two morphemes of many. A clause is held against the document's clauses with the same predicate, about
the same things where both name some. It is turned around where every one of them that is definite says the opposite.
Not definite are questions in the negative (안 갈래?), questions of what was (숙제 했어?) that no 네 answers, and
what is asked or proposed and then met by 아니.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

from tasks.measures.korean.attribution import HANDED, LIGHT, TOGETHER, done, share
from tasks.measures.korean.clauses import Clause, clauses
from tasks.measures.korean.speakers import speakers


class Claim(NamedTuple):
    """What a document says of a predicate: that it holds, or that it does not."""

    lemma: str
    nouns: frozenset[str]
    negated: bool


def flipped_negations(summary: str, document: str) -> tuple[int, int]:
    """Clauses of the summary that the document turns around, and how many could be held against it."""
    names = frozenset(name for name in speakers(document) if name)
    known = claims(document)
    verdicts = [
        all(claim.negated != clause.negated for claim in found)
        for clause in clauses(summary, names)
        if (found := _about(clause, known))
    ]
    return sum(verdicts), len(verdicts)


def _about(clause: Clause, known: Sequence[Claim]) -> list[Claim]:
    """The claims with its predicate and about what it is about."""
    if not clause.lemma:
        return []
    if clause.lemma in HANDED:
        return [claim for claim in known if share(claim.nouns, clause.nouns)]
    same = [claim for claim in known if done(clause.lemma, claim.lemma, claim.nouns)]
    near = [claim for claim in same if share(claim.nouns, clause.nouns)]
    if near or clause.lemma in LIGHT:
        return near
    return [claim for claim in same if not (claim.nouns - {clause.lemma} and clause.nouns)]


@functools.lru_cache(maxsize=20_000)
def claims(document: str) -> tuple[Claim, ...]:
    """Every definite claim of the document."""
    names = frozenset(name for name in speakers(document) if name)
    found = clauses(document, names)
    return tuple(
        Claim(clause.lemma, clause.nouns, clause.negated)
        for place, clause in enumerate(found)
        if clause.lemma and not _left_open(found, place)
    )


def _left_open(found: Sequence[Clause], place: int) -> bool:
    """Whether it only asks in the negative, or asks or proposes and is told no."""
    clause = found[place]
    asks = "?" in clause.marks
    if not asks and clause.ending not in TOGETHER:
        return False
    answers = (found[later].marks & {"네", "아니"} for later in range(place + 1, len(found)))
    answer = next((answer for answer in answers if answer), set())
    unknown = asks and (clause.negated or ("었" in clause.marks and "네" not in answer))
    return unknown or "아니" in answer
