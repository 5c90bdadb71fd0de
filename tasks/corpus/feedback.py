"""AI feedback's choice (Tunstall et al. 2023, arXiv 2310.16944, section 3.2): the best answer, and another one."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from tasks.corpus import pairs

SCHEMA = pa.schema([*pairs.SCHEMA, ("source_chosen", pa.string()), ("source_rejected", pa.string())])


class Scored(NamedTuple):
    """One text, all sources that gave it, and the teacher's score; None where its verdict could not be read."""

    text: str
    sources: tuple[str, ...]
    score: float | None


def merged(answers: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Each different text with its sources, of (source, text): two sources that agree are one answer."""
    found: dict[str, tuple[str, ...]] = {}
    for source, text in answers:
        found[text] = (*found.get(text, ()), source)
    return found


def draws(seed: int, name: str) -> random.Random:
    """A document's own generator: which other documents there are makes no difference to it."""
    return random.Random(f"{seed} {name}")


def preferred(
    answers: Sequence[Scored], rejected: str, generator: random.Random
) -> tuple[Scored, Scored] | None:
    """The best, drawn where several are, and of those that scored less a random one or the worst; None without any."""
    known = {answer: answer.score for answer in answers if answer.score is not None}
    highest = max(known.values(), default=0.0)
    best = [answer for answer, score in known.items() if score == highest]
    less = {answer: score for answer, score in known.items() if score < highest}
    if not less:
        return None
    lowest = min(less.values())
    others = [answer for answer, score in less.items() if rejected == "random" or score == lowest]
    return generator.choice(best), generator.choice(others)


def columns(chosen: Scored, rejected: Scored) -> dict[str, Any]:
    """What a pair's row holds of its two sides; sources of one text are joined by +."""
    scored = ((side.text, side.score or 0.0) for side in (chosen, rejected))
    sources = {"source_chosen": chosen.sources, "source_rejected": rejected.sources}
    return {**pairs.sides(*scored), **{name: "+".join(some) for name, some in sources.items()}}


def told(
    rows: Sequence[dict[str, Any]], scored: Sequence[Scored], sources: Iterable[str]
) -> dict[str, float]:
    """Margin and lengths; by source its mean score, and its share of the chosen (of a text that two gave, for both)."""
    numbers = pairs.told(list(rows))
    for source in sources:
        own = [answer.score for answer in scored if source in answer.sources and answer.score is not None]
        won = sum(source in row["source_chosen"].split("+") for row in rows)
        numbers[f"won_{source}"] = round(won / len(rows), 6)
        if own:
            numbers[f"mean_score_{source}"] = round(sum(own) / len(own), 6)
    return numbers
