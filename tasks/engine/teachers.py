"""Who scores answers for the stage feedback: the judge, a reward model, or a model behind an endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tasks.engine import reward_model
from tasks.engine.journal import Journal
from tasks.measures import endpoint
from tasks.measures.gold import judge_of, known_of
from tasks.measures.verdicts import Verdicts
from tasks.refusal import Refusal
from tasks.sections.asked import EndpointTeacher
from tasks.sections.trunk import Judge
from tasks.settings import Compute


class Asked(NamedTuple):
    """A row of data/prepared, its prompt as text, and the different answers to it."""

    row: dict[str, str | None]
    prompt: str
    texts: tuple[str, ...]


Scores = Sequence[Sequence[float | None]]  # by document and answer; None where the verdict cannot be read


def by_judge(asked: Sequence[Asked], judge: Judge) -> Scores:
    """The judge's total in [0, 1]."""
    score, found = judge_of(judge.kind), []
    for one in asked:
        known = known_of(judge.kind, one.row)
        if known is None:
            raise Refusal(
                f"data/prepared/train.parquet: {one.row['id']}",
                "has no facts for the exact judge",
                "set judge.kind: rouge, or another feedback.teacher",
            )
        found.append([score(text, known)["total"] for text in one.texts])
    return found


def by_reward(asked: Sequence[Asked], compute: Compute, journal: Journal) -> Scores:
    """The score of fold A's reward model, less its mean and by its deviation."""
    return reward_model.scores([(one.prompt, one.texts) for one in asked], compute, journal.say)


def by_endpoint(
    asked: Sequence[Asked], teacher: EndpointTeacher, verdicts: Verdicts, record: Path, journal: Journal
) -> Scores:
    """The endpoint's score, from 1 to 10; every verdict that it follows from is written to `record`."""
    at = endpoint.Endpoint(teacher, endpoint.PLACE, None)
    rubric = endpoint.rubric_of(at)
    requests = [
        endpoint.request(teacher, rubric, str(one.row["document"]), text)
        for one in asked
        for text in one.texts
    ]
    replies = iter(endpoint.replies(at, requests, verdicts, journal.say, journal.step))
    verdicts.export(record, requests)
    return [[endpoint.score(next(replies)) for _ in one.texts] for one in asked]
