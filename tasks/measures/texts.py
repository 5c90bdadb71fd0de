"""What texts are worth: the judge's verdict, overlap, faithfulness and what the surface shows, by column; and what
needs no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tasks.measures import rouge, surface
from tasks.measures.gold import judge_of, known_of
from tasks.measures.korean.copying import copying
from tasks.measures.korean.faithfulness import faithfulness
from tasks.measures.korean.honorifics import mixed_levels
from tasks.measures.korean.overlap import shared

Numbers = dict[str, list[Any]]
Rows = Sequence[dict[str, Any]]


class Baseline(NamedTuple):
    """Texts that need no model, and the documents that they are of."""

    texts: list[str]
    documents: Rows


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
    """ROUGE and chrF against the references, lengths, repetition, what is copied, invented or turned around."""
    both = list(zip(predictions, (document["document"] for document in documents), strict=True))
    rows = [faithfulness(*pair) | copying(*pair) for pair in both]
    return {
        **overlap(predictions, documents),
        "characters": [surface.characters(prediction) for prediction in predictions],
        "compression": [surface.compression(prediction, document) for prediction, document in both],
        "repetition": [surface.repetition(prediction) for prediction in predictions],
        "invented_numbers": [surface.invented_numbers(prediction, document) for prediction, document in both],
        **shared(predictions, [document["summary"] for document in documents]),
        "mixed_levels": [mixed_levels(prediction) for prediction in predictions],
        **{name: [row[name] for row in rows] for name in (rows[0] if rows else ())},
    }


def overlap(predictions: list[str], documents: Rows) -> Numbers:
    """ROUGE-1, 2 and L against the references."""
    scores = rouge.scores(predictions, [document["summary"] for document in documents])
    return {name: values.tolist() for name, values in scores.items()}


def needing_no_model(documents: Rows, seed: int) -> dict[str, Baseline]:
    """The reference itself, lead-1, the title of rows that have one, and another row's reference: the floor."""
    references = [row["summary"] for row in documents]
    titled = [row for row in documents if row["title"]]
    found = {
        "reference": Baseline(references, documents),
        "lead1": Baseline([rouge.lead(row["document"]) for row in documents], documents),
    }
    if titled:
        found["title"] = Baseline([row["title"] for row in titled], titled)
    if len(references) > 1:
        others = [references[int(place)] for place in rouge.derangement(len(references), seed)]
        found["random"] = Baseline(others, documents)
    return found


def baselines(documents: Rows, kind: str, seed: int) -> dict[str, dict[str, float]]:
    """The means of every measure of a text, of each of those; gold of lead-1 and of the reference alone."""
    found = {}
    for name, baseline in needing_no_model(documents, seed).items():
        columns = seen(*baseline)
        if name in ("reference", "lead1"):
            gold = judged(*baseline, kind).get("gold")
            columns |= {"gold": gold} if gold else {}
        found[name] = {key: round(sum(values) / len(values), 6) for key, values in columns.items()}
        if name == "title":
            found[name]["rows"] = float(len(baseline.texts))
    return found
