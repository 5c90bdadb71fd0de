"""Documents for the page: where branches gained and lost most against SFT, and some drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tasks.measures.comparison import Models
from tasks.measures.evaluations import SFT, Evaluation, documents
from tasks.measures.intervals import difference

EXTREMES = 3  # gains, and as many losses
RANDOM = 2


class Text(NamedTuple):
    """One model's greedy summary of the document, its score and the mean score over the branch's seeds."""

    model: str
    summary: str
    score: float
    mean: float


class Example(NamedTuple):
    """One document with its reference and every model's summary; `why` says how it was picked."""

    id: str
    why: str
    document: str
    reference: str
    texts: tuple[Text, ...]


def chosen(
    evaluations: Sequence[Evaluation], greedy: Models, measure: str, seeds: Sequence[int], seed: int
) -> list[Example]:
    """Some 8 examples in the order gains, losses, random; the texts are those of the first seed."""
    ids = evaluations[0].prompts("greedy")
    rows = documents(ids, evaluations[0].summary.get("split"))
    models = {SFT: SFT} | {name: f"{name}-{seeds[0]}" for name in greedy if name != SFT}
    texts = {
        each.model: each.texts("prediction", "greedy")
        for each in evaluations
        if each.model in models.values()
    }
    found = []
    for place, why in _places(greedy, measure, len(ids), seed):
        shown = tuple(
            Text(
                model,
                texts[model][place],
                float(greedy[name][measure][0, place]),
                float(greedy[name][measure][:, place].mean()),
            )
            for name, model in models.items()
        )
        document, reference = rows[ids[place]]
        found.append(Example(ids[place], why, document, reference, shown))
    return found


def _places(greedy: Models, measure: str, count: int, seed: int) -> list[tuple[int, str]]:
    """Places in the order of prompts, each once, and why: extremes over all branches first."""
    names = [name for name in greedy if name != SFT]
    gains_BP = np.stack([difference(greedy[name][measure], greedy[SFT][measure]) for name in names])
    taken: dict[int, str] = {}
    for sign, word in ((1, "gain"), (-1, "loss")):
        best_P = (sign * gains_BP).max(axis=0)
        order = [
            place for place in np.argsort(-best_P, kind="stable") if best_P[place] > 0 and place not in taken
        ]
        for place in order[:EXTREMES]:
            branch = int((sign * gains_BP[:, place]).argmax())
            taken[int(place)] = f"large {word} of {names[branch]}: {gains_BP[branch, place]:+.3f} {measure}"
    rest = [place for place in range(count) if place not in taken]
    drawn = np.random.default_rng(seed).permutation(len(rest))[:RANDOM]
    return [*taken.items(), *((rest[place], "drawn at random") for place in sorted(drawn))]
