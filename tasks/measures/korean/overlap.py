"""ROUGE over content morphemes, eojeol, syllables and jamo, and chrF: what a prediction shares with its reference.

ROUGE over all morphemes is `rouge.py`'s. An eojeol is missed with any of its endings, a jamo is met by chance: the
measures differ in their floor more than in what they rank, so each is read against its own floor.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from tasks.measures.korean.units import UNITS, Tokens
from tasks.measures.morphemes import SPEAKER, normalise

KINDS = ("rouge1", "rouge2", "rougeL")
NAMES = (*(f"{kind}_{unit}" for unit in UNITS for kind in KINDS), "chrf")


def shared(predictions: Sequence[str], references: Sequence[str]) -> dict[str, list[float]]:
    """Every measure of `NAMES`, 0 to 1, one value a text: prediction i against reference i."""
    both = list(zip(predictions, references, strict=True))
    found: dict[str, list[float]] = {}
    for unit, cut in UNITS.items():
        rows = [rouge(cut(prediction), cut(reference)) for prediction, reference in both]
        found |= {f"{kind}_{unit}": [row[kind] for row in rows] for kind in KINDS}
    return found | {"chrf": [chrf(prediction, reference) for prediction, reference in both]}


def rouge(prediction: Tokens, reference: Tokens) -> dict[str, float]:
    """F1 of ROUGE-1, -2 and -L (Lin 2004) of two texts as tokens, 0 to 1; 0 where either has none."""
    counted = _grams().score(reference, prediction)
    found = {kind: float(counted[kind].fmeasure) for kind in KINDS[:2]}
    common = longest_common(prediction, reference)
    precision, recall = (common / max(1, len(tokens)) for tokens in (prediction, reference))
    return found | {"rougeL": 2 * precision * recall / (precision + recall) if common else 0.0}


def longest_common(left: Tokens, right: Tokens) -> int:
    """Length of the longest common subsequence.

    By the bits of one number a row of the table (Hyyrö 2004, equation 3): rouge-score fills the table cell by cell,
    which over jamo took four times as long as all other measures of overlap together.
    """
    places: dict[str, int] = {}
    for place, token in enumerate(left):
        places[token] = places.get(token, 0) | 1 << place
    every = (1 << len(left)) - 1
    row = every  # a 0 for each place at which the subsequence grows
    for token in right:
        met = row & places.get(token, 0)
        row = (row + met | row - met) & every
    return len(left) - row.bit_count()


def chrf(prediction: str, reference: str) -> float:
    """chrF2 (Popović 2015) of the normalised texts, 0 to 1: F2 over 1- to 6-grams of characters without white space."""
    texts = (normalise(text).replace(SPEAKER, "¤") for text in (prediction, reference))
    hypothesis, known = texts
    return min(1.0, float(character_f().sentence_score(hypothesis, [known]).score) / 100)


@functools.cache
def character_f() -> Any:
    """sacrebleu's chrF with its own settings, which its signature states."""
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


@functools.cache
def _grams() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(KINDS[:2]), tokenizer=_AsGiven())


class _AsGiven:
    """RougeScorer asks a tokenizer for its tokens; these texts are tokens already."""

    def tokenize(self, tokens: Tokens) -> Tokens:
        return tokens
