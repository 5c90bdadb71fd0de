"""The judge of params.yaml as one function, for whoever scores text: judge, evaluate, RLOO with `reward: judge`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict

from tasks.corpus import exact_judge
from tasks.measures import rouge


def known_of(kind: str, row: Mapping[str, str | None]) -> str | None:
    """What this judge must know of a document: its facts (exact) or its reference summary (rouge)."""
    return row["facts"] if kind == "exact" else row["summary"]


def judge_of(kind: str) -> Callable[[str, str], dict[str, float]]:
    """(summary, what is known) -> parts of the verdict, each in [0, 1]; `total` is the score."""
    return {"exact": _exact, "rouge": _rouge}[kind]


def _exact(summary: str, known: str) -> dict[str, float]:
    return asdict(exact_judge.judge(summary, json.loads(known)))


def _rouge(summary: str, known: str) -> dict[str, float]:
    """Mean of morpheme ROUGE-1, 2 and L, F1."""
    scores = rouge.rouge(summary, known)
    return {**scores, "total": sum(scores.values()) / len(scores)}
