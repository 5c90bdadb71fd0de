"""Documents for the page: where branches gained and lost most against SFT, and some drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tasks.measures.comparison import Models
from tasks.measures.evaluations import SFT, Evaluation, documents
from tasks.measures.intervals import difference
from tasks.measures.language import phrase, say
from tasks.measures.tables import label

EXTREMES = 3  # gains, and as many losses
RANDOM = 2
LARGE_GAIN = phrase("large gain of {branch}: {gained} {measure}")
LARGE_LOSS = phrase("large loss of {branch}: {gained} {measure}")


class Text(NamedTuple):
    """One model's greedy summary of the document, its score and the mean score over the branch's seeds."""

    model: str
    summary: str
    score: float
    mean: float


class Gain(NamedTuple):
    """The branch that gained most here against SFT, or lost most, and how much, on `measure`."""

    branch: str
    gained: float
    measure: str


class Example(NamedTuple):
    """One document with its reference and every model's summary; `picked` says why it is here."""

    id: str
    picked: Gain | None  # None: drawn at random
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
    for place, picked in _places(greedy, measure, len(ids), seed):
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
        found.append(Example(ids[place], picked, document, reference, shown))
    return found


def why(example: Example) -> str:
    """How the example was picked, in words."""
    picked = example.picked
    if picked is None:
        return say("drawn at random")
    template = LARGE_GAIN if picked.gained > 0 else LARGE_LOSS
    return say(template, branch=picked.branch, gained=f"{picked.gained:+.3f}", measure=label(picked.measure))


def _places(greedy: Models, measure: str, count: int, seed: int) -> list[tuple[int, Gain | None]]:
    """Places in the order of prompts, each once, and why: extremes over all branches first."""
    names = [name for name in greedy if name != SFT]
    gains_BP = np.stack([difference(greedy[name][measure], greedy[SFT][measure]) for name in names])
    taken: dict[int, Gain | None] = {}
    for sign in (1, -1):
        best_P = (sign * gains_BP).max(axis=0)
        order = [
            place for place in np.argsort(-best_P, kind="stable") if best_P[place] > 0 and place not in taken
        ]
        for place in order[:EXTREMES]:
            branch = int((sign * gains_BP[:, place]).argmax())
            taken[int(place)] = Gain(names[branch], float(gains_BP[branch, place]), measure)
    rest = [place for place in range(count) if place not in taken]
    drawn = np.random.default_rng(seed).permutation(len(rest))[:RANDOM]
    return [*taken.items(), *((rest[place], None) for place in sorted(drawn))]
