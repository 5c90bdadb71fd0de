"""Two summaries before a judge behind an endpoint: what it is asked, in both orders, and how its reply is read.

No text that is judged can decide how the reply is read. The texts are sent as one JSON string each, in which `<` and
`[` are written as escapes, so that none can close its string or spell a chat template's token. The reply is read in one
place, its last line, and only behind a mark that is a hash of all that is judged: a summary would have to hold the
hash of a text that holds the summary. What is not read there is no verdict: the judge has abstained, and nobody tosses
a coin.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tasks.measures import endpoint
from tasks.measures.contests import Contest, Outcome
from tasks.measures.endpoint import Endpoint, Request, conversation
from tasks.refusal import Refusal
from tasks.sections.asked import EndpointTeacher

RUBRICS = Path("assets/duels")
MARK = "{mark}"
NEUTRAL = str.maketrans(
    {"<": "\\u003c", "[": "\\u005b"}
)  # <|im_end|>, </s>, [INST]: JSON's own spelling of them
FIRST = {"A": 1.0, "B": 0.0, "TIE": 0.5}  # what the summary called A has won


def rubric_of(at: Endpoint) -> str:
    """The text of the judge's rubric, which must say where the mark stands."""
    rubric = endpoint.rubric_of(at, RUBRICS)
    if MARK not in rubric:
        place, cause = f"{at.place}.rubric", f"{RUBRICS}/{at.model.rubric}.txt does not hold {MARK}"
        raise Refusal(
            place, cause, "say there how the reply's last line is marked, as assets/duels/en.txt does"
        )
    return rubric


def questions(model: EndpointTeacher, rubric: str, contest: Contest) -> tuple[Request, ...]:
    """The left as A, then the right as A; none where the two are one text, which is a tie without a judge."""
    if contest.left == contest.right:
        return ()
    sides = (contest.left, contest.right), (contest.right, contest.left)
    return tuple(_question(model, rubric, contest.document, first, second) for first, second in sides)


def outcomes(
    model: EndpointTeacher,
    rubric: str,
    contests: Sequence[Contest],
    ask: Callable[[list[Request]], list[str]],
) -> list[Outcome]:
    """What `ask`, which gives a reply to each question, says of every contest."""
    asked = [questions(model, rubric, contest) for contest in contests]
    replies = iter(ask([request for both in asked for request in both]))
    return [_outcome(_verdicts(both, replies)) for both in asked]


def verdict(reply: str, mark: str) -> str | None:
    """A, B or TIE behind the mark in the last line; None without it, or where another marked line says otherwise."""
    lines = [line.strip().strip("*`").strip() for line in reply.splitlines()]
    read = [re.fullmatch(rf"{re.escape(mark)} (A|B|TIE)", line) for line in lines if line]
    said = {found.group(1) for found in read if found}
    return said.pop() if len(said) == 1 and read[-1] else None


def mark_of(request: Request) -> str:
    """What a verdict on this question is marked with."""
    return _mark(request["model"], request["messages"][1]["content"])


def settled(straight: str | None, swapped: str | None) -> Outcome:
    """Of the verdicts on (left, right) and on (right, left); two that differ are a tie."""
    if straight is None or swapped is None:
        return Outcome(None, None)
    first, second = FIRST[straight], 1.0 - FIRST[swapped]
    return Outcome(first, False) if first == second else Outcome(0.5, True)


def _question(model: EndpointTeacher, rubric: str, document: str, first: str, second: str) -> Request:
    texts = json.dumps({"document": document, "A": first, "B": second}, ensure_ascii=False).translate(NEUTRAL)
    return conversation(model, rubric.replace(MARK, _mark(model.model, texts)), texts)


def _mark(model: str, texts: str) -> str:
    whole = hashlib.sha256(f"{model}\n{texts}".encode()).hexdigest()
    return f"VERDICT-{whole[:16]}:"


def _verdicts(both: tuple[Request, ...], replies: Iterator[str]) -> list[str | None]:
    return [verdict(next(replies), mark_of(request)) for request in both]


def _outcome(verdicts: list[str | None]) -> Outcome:
    return settled(*verdicts) if verdicts else Outcome(0.5, None)
