"""Who did what: the actor of a summary's clause against the speaker who said, promised or was asked to do it.

ROUGE cannot see this: a summary with two speakers swapped has the same morphemes. What a turn says of itself decides:

- the speaker: 내가 살게, 살게요, 제가 살까요?
- who is called by name, else who speaks next, else who spoke before: 네가 살래?, 사 주세요, 사 줄래?
- the one named: 수아 씨가 사 주세요, 표는 수아 담당
- nobody in particular: 누가 살까?, 같이 사자, 우리가 살게
- the speaker, as long as no clause of the kinds above says otherwise: 감기에 걸렸어

A clause of the summary is held against the clauses of the dialogue that share its predicate and what it is about, else
its predicate, else what it is about (음료는 세진이 맡는다). The last of them counts: people change their minds.
"""

from __future__ import annotations

import bisect
import functools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tasks.measures.korean.clauses import SELF, WE, WHO, Clause, clauses
from tasks.measures.korean.segments import DUTIES
from tasks.measures.korean.speakers import speakers
from tasks.measures.morphemes import normalise

# Verbs that say too little for a clause to be known by: with them what it is about must be shared, too.
LIGHT = frozenset(
    {"", "하", "되", "있", "이", "어쩌", "같", "그러", "이러", "어떻", "보", "가", "오", "나", "말", "아", "알",
     "주", "드리", "받", "맡", "정하", "좋", "괜찮", "부탁", "감사", *DUTIES}
)  # fmt: skip
HANDED = frozenset({"하", "맡", "책임지", *DUTIES})  # who has to do with a thing, whatever is done with it
ASKED = frozenset({"", "하", "어쩌", "어떻", "어떡하"})  # 간식은? 간식은 어쩌지? What follows is about it
_PROMISES = ("ᆯ게", "을게", "ᆯ게요", "을게요")
_WISHES = ("ᆯ래", "을래", "ᆯ래요", "을래요")
_ORDERS = ("세요", "으세요", "ᆸ시오", "으십시오", "아라", "어라", "거라")
_OFFERS = ("ᆯ까", "ᆯ까요")  # 빌려줄까? is an offer, 빌릴까? is open
TOGETHER = ("자", "ᆸ시다", "읍시다", "ᆯ까", "을까", "ᆯ까요", "을까요", "죠", "지요")


class Deed(NamedTuple):
    """A clause of the dialogue: what was to be done, by whom, and whether it says so itself."""

    lemma: str
    nouns: frozenset[str]  # of the last clause that names things, where this one names none
    doers: frozenset[str]
    said: bool
    negated: bool


def wrong_speakers(summary: str, document: str) -> tuple[int, int]:
    """Clauses of the summary whose actor is not who the dialogue says, and how many could be held against it."""
    names = frozenset(name for name in speakers(document) if name)
    if not names:
        return 0, 0
    known = deeds(document)
    verdicts = [
        bool(found & set(clause.actors))
        for clause in clauses(summary, names)
        if clause.lemma and clause.actors and (found := _doers(clause, known))
    ]
    return verdicts.count(False), len(verdicts)


def share(left: frozenset[str], right: frozenset[str]) -> bool:
    """Whether they have a noun in common, or the end of one: Kiwi cuts 접수증 now into one piece, now into two."""
    return any(one.endswith(other) or other.endswith(one) for one in left for other in right)


def done(lemma: str, said: str, nouns: frozenset[str]) -> bool:
    """Whether a clause of the document has this predicate: 예매할게, or 예매는 내가 할게, whose own one is 하."""
    return said == lemma or (said == "하" and lemma in nouns)


def _doers(clause: Clause, known: Sequence[Deed]) -> frozenset[str]:
    """Who the dialogue says did it, or nobody where it does not tell."""
    same = [deed for deed in known if done(clause.lemma, deed.lemma, deed.nouns)]
    telling = clause.lemma not in LIGHT  # then the predicate is enough where one of the two names nothing
    near = [
        deed
        for deed in same
        if share(deed.nouns, clause.nouns) or (telling and not (deed.nouns - {clause.lemma} and clause.nouns))
    ]
    # 예매는 내가 안 했어, and then 내가 예매할게 of another: who did not is not who will
    near = [deed for deed in near if deed.negated == clause.negated] or near
    handed = clause.lemma in HANDED  # 음료는 세진이 맡는다: whatever there is to do with it
    near = near or [
        deed
        for deed in known
        if deed.said and (handed or deed.lemma in HANDED) and share(deed.nouns, clause.nouns)
    ]
    said = [deed for deed in near if deed.said]
    if said:
        return said[-1].doers
    return frozenset().union(*(deed.doers for deed in near))


@functools.lru_cache(maxsize=20_000)
def deeds(document: str) -> tuple[Deed, ...]:
    """What each clause of the dialogue says was to be done, in order."""
    turns = speakers(document)
    names = frozenset(name for name in turns if name)
    ends = _line_ends(normalise(document))
    found: list[Deed] = []
    named: Clause | None = None  # what was last named: 간식은 누가 챙길까? Or: 간식은 어쩌지?
    for clause in clauses(document, names):
        line = bisect.bisect_left(ends, clause.start)
        speaker = turns[line] if line < len(turns) else ""
        if clause.nouns:
            named = clause
        elif named and clause.lemma and (named.lemma in ASKED or clause.lemma in (named.lemma, "하")):
            clause = clause._replace(nouns=named.nouns)
            named = clause if clause.verb and clause.lemma not in LIGHT else named
        if not speaker or not clause.lemma:
            continue
        told = _who(clause, speaker, _other(turns, line))
        if told:
            doers, said = told
            found.append(Deed(clause.lemma, clause.nouns, doers, said, clause.negated))
            if clause.lemma == "빌려주" and doers:  # who lends and who borrows
                found.append(Deed("빌리", clause.nouns, names - doers, said, clause.negated))
    return tuple(found)


def _line_ends(text: str) -> list[int]:
    return [place for place, sign in enumerate(text) if sign == "\n"]


def _other(turns: Sequence[str], line: int) -> str:
    """Who is spoken to: the next other speaker, else the last one before."""
    speaker = turns[line]
    order: Iterable[str] = (*turns[line + 1 :], *reversed(turns[:line]))
    return next((name for name in order if name and name != speaker), "")


def _who(clause: Clause, speaker: str, other: str) -> tuple[frozenset[str], bool] | None:
    """Who does it by this clause's own words, and whether it says so; nothing where it leaves that open."""
    marks, asks = clause.marks, "?" in clause.marks
    spoken, addressed = frozenset({speaker}), frozenset({clause.called or other}) - {""}
    if clause.actors:
        return frozenset(clause.actors), True
    if clause.person in (WHO, WE):
        return None
    if clause.person:
        return (spoken if clause.person == SELF else addressed), clause.verb
    if clause.ending in _PROMISES or "드리" in marks or (clause.ending in _WISHES and not asks):
        return None if "네" in marks else (spoken, True)  # 네, 바꿀게요 says yes, not who does it
    if "주" in marks and clause.ending in _OFFERS:
        return spoken, True
    requested = "주" in marks and "었" not in marks
    if clause.verb and (requested or (clause.ending in _ORDERS and not asks)):
        return addressed, True
    return None if asks or clause.ending in TOGETHER else (spoken, False)
