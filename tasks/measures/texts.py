"""What texts are worth: the judge's verdict, ROUGE and what the surface shows, by column; and what needs no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.measures import rouge, surface
from tasks.measures.gold import judge_of, known_of

Numbers = dict[str, list[Any]]
Rows = Sequence[dict[str, Any]]


def judged(predictions: list[str], documents: Rows, kind: str) -> Numbers:
    """The judge's verdict by part; without facts the exact judge is silent and the columns are absent."""
    known = [known_of(kind, document) for document in documents]
    if any(told is None for told in known):
        return {}
    score = judge_of(kind)
    verdicts = [score(prediction, told) for prediction, told in zip(predictions, known, strict=True) if told]
    parts = {
        f"gold_{name}": [verdict[name] for verdict in verdicts] for name in verdicts[0] if name != "total"
    }
    return {"gold": [verdict["total"] for verdict in verdicts], **parts}


def seen(predictions: list[str], documents: Rows) -> Numbers:
    """ROUGE against the references, lengths, repetition, invented numbers."""
    both = list(zip(predictions, (document["document"] for document in documents), strict=True))
    return {
        **overlap(predictions, documents),
        "characters": [surface.characters(prediction) for prediction in predictions],
        "compression": [surface.compression(prediction, document) for prediction, document in both],
        "repetition": [surface.repetition(prediction) for prediction in predictions],
        "invented_numbers": [surface.invented_numbers(prediction, document) for prediction, document in both],
    }


def overlap(predictions: list[str], documents: Rows) -> Numbers:
    """ROUGE-1, 2 and L against the references."""
    scores = rouge.scores(predictions, [document["summary"] for document in documents])
    return {name: values.tolist() for name, values in scores.items()}


def baselines(documents: Rows, kind: str, seed: int) -> dict[str, dict[str, float]]:
    """ROUGE of lead-1, of the title and of another row's reference; gold of lead-1 and of the reference itself."""
    references = [row["summary"] for row in documents]
    found = rouge.baselines(
        [row["document"] for row in documents], references, [row["title"] for row in documents], seed
    )
    for name, texts in (
        ("lead1", [rouge.lead(row["document"]) for row in documents]),
        ("reference", references),
    ):
        gold = judged(texts, documents, kind).get("gold")
        if gold:
            found.setdefault(name, {})["gold"] = sum(gold) / len(gold)
    return {name: {key: round(value, 6) for key, value in scores.items()} for name, scores in found.items()}
