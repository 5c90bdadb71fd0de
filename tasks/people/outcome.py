"""What people's answers come to: a win rate, a rated set, and preference rows.

Legend of shapes: S raters, P prompts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tasks.measures import sequential
from tasks.measures.duels import by_prompt
from tasks.measures.intervals import Interval
from tasks.people.answers import SHARES, Answer
from tasks.people.questions import Question, drawn

Answers = Mapping[str, Answer]  # by the question's key


class Rater(NamedTuple):
    """One person's answers, and the seed that their order follows from; None without any answer."""

    name: str
    seed: int | None
    answers: Answers


class Rate(NamedTuple):
    """How often `a` is preferred, a tie being half; interval: None where nothing was answered."""

    interval: Interval | None
    counts: Mapping[
        str, int
    ]  # by verdict, of all raters; `one_text` are the ties that nobody was asked about


def win_rate(questions: Sequence[Question], raters: Sequence[Rater], alpha: float) -> Rate:
    """Raters of a prompt averaged; the interval holds the true rate with probability 1 - alpha however often one looks.

    People look at the result after every sitting and stop when they like, which an interval for a number of prompts
    that was fixed beforehand does not forgive (tasks/measures/sequential.py).
    """
    counts = Counter(answer["verdict"] for answer in _of(questions, raters))
    shares_SP = np.stack([_shares(questions, rater) for rater in raters])
    ties_P = np.array([question.is_tie for question in questions])
    counts["one_text"] = int((np.isfinite(shares_SP).any(axis=0) & ties_P).sum())
    places = {question.key: place for place, question in enumerate(questions)}
    seed = next((rater.seed for rater in raters if rater.seed is not None), 0)
    order = [places[each.question.key] for each in drawn(questions, seed, None)]
    scores_P = 2 * by_prompt(shares_SP[:, order]) - 1
    if not scores_P.size:
        return Rate(None, counts)
    return Rate(Interval(*((1 + end) / 2 for end in sequential.interval(scores_P, alpha))), counts)


def rated(questions: Sequence[Question], raters: Sequence[Rater]) -> list[dict[str, Any]]:
    """Rows for the command agreement, one for each rater's verdict on a pair."""
    found = []
    for question in questions:
        for rater in raters:
            verdict = rater.answers.get(question.key, {}).get("verdict")
            if verdict in SHARES:
                row = {"id": question.id, "document": question.document}
                row |= {"summary_a": question.a, "summary_b": question.b}
                row |= {"preference": verdict, "rater": rater.name}
                found.append(row | ({"reference": question.reference} if question.reference else {}))
    return found


def preferences(
    questions: Sequence[Question], raters: Sequence[Rater], render: Callable[[str], str]
) -> list[dict[str, str]]:
    """Rows for `pairs.source.kind: own`: the side that more raters chose; none where as many chose either.

    render: a document's prompt, as the model will see it.
    """
    found = []
    for question in questions:
        verdicts = Counter(
            rater.answers[question.key]["verdict"] for rater in raters if question.key in rater.answers
        )
        if verdicts["a"] == verdicts["b"]:
            continue
        chosen, rejected = (
            (question.a, question.b) if verdicts["a"] > verdicts["b"] else (question.b, question.a)
        )
        found.append({"prompt": render(question.document), "chosen": chosen, "rejected": rejected})
    return found


def sides(questions: Sequence[Question], raters: Sequence[Rater]) -> tuple[int, int]:
    """How often the left one was chosen, and how often any: far from a half, people chose by the side."""
    decided = [answer for answer in _of(questions, raters) if answer["verdict"] in ("a", "b")]
    return sum(answer["verdict"] == answer["left"] for answer in decided), len(decided)


def _shares(questions: Sequence[Question], rater: Rater) -> np.ndarray:
    """What `a` won of each prompt [P], nan where nothing is known.

    Two summaries that are one text are a tie, as for all judges, as far as the rater came in the drawn order: to
    count them all while others wait for an answer would draw the rate towards a half.
    """
    shares_P = np.full(len(questions), np.nan)
    places = {question.key: place for place, question in enumerate(questions)}
    passed: list[str] = []
    for placed in drawn(questions, rater.seed or 0, None) if rater.answers else ():
        question = placed.question
        if question.is_tie:
            passed.append(question.key)
        elif question.key in rater.answers:
            verdict = rater.answers[question.key]["verdict"]
            shares_P[places[question.key]] = SHARES.get(verdict, np.nan)
            for key in passed:
                shares_P[places[key]] = SHARES["tie"]
            passed.clear()
    return shares_P


def _of(questions: Sequence[Question], raters: Sequence[Rater]) -> list[Answer]:
    """The answers to these questions; a log may hold others, to texts that are no more."""
    keys = {question.key for question in questions}
    return [answer for rater in raters for key, answer in rater.answers.items() if key in keys]
