"""Morpheme ROUGE for Korean, and lead-1.

The usual tokenizer of rouge-score keeps [a-z0-9] and deletes all Hangul: two equal Korean sentences score 0.
Here texts are NFC, speaker tags become one placeholder, and Kiwi's morphemes (all parts of speech,
punctuation left out, Latin in lower case) are the tokens. Morphemes cannot see who did what: a summary
with two speakers swapped scores 1.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from tasks.measures.morphemes import PREFIX, PUNCTUATION, TAG, analysed

KINDS = ("rouge1", "rouge2", "rougeL")
_SENTENCE = re.compile(r".+?[.!?。！？…]+[\"'”’)\]]*(?=\s|$)")


class Morphemes:
    """What RougeScorer asks of a tokenizer: `tokenize(text)`, its morphemes; each text is analysed once."""

    def __init__(self) -> None:
        self.tokenize = functools.lru_cache(maxsize=100_000)(self._tokenize)

    def _tokenize(self, text: str) -> tuple[str, ...]:
        return tuple(found.form.lower() for found in analysed(text) if found.tag not in PUNCTUATION)


@functools.cache
def _scorer() -> Any:
    """The one scorer of this process; to import it and to load Kiwi's model takes seconds, and not every stage asks."""
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(KINDS), tokenizer=Morphemes())


def rouge(prediction: str, reference: str) -> dict[str, float]:
    """F1 of ROUGE-1, -2 and -L (Lin 2004), 0 to 1; 0 where either text has no morpheme."""
    found = _scorer().score(reference, prediction)
    return {kind: float(found[kind].fmeasure) for kind in KINDS}


def scores(predictions: Sequence[str], references: Sequence[str]) -> dict[str, np.ndarray]:
    """F1 by kind, one array [texts] each, prediction i against reference i."""
    rows = [
        rouge(prediction, reference) for prediction, reference in zip(predictions, references, strict=True)
    ]
    return {kind: np.array([row[kind] for row in rows], dtype=float) for kind in KINDS}


def lead(document: str) -> str:
    """Lead-1: the first turn of a dialogue, else the first sentence of the first line that holds text."""
    line = next((line.strip() for line in document.splitlines() if line.strip()), "")
    if PREFIX.match(line) or TAG.match(line):
        return line
    sentence = _SENTENCE.match(line)
    return sentence.group() if sentence else line


def derangement(count: int, seed: int) -> np.ndarray:
    """Indices [count], none at its own place: one cycle through all in a random order."""
    if count < 2:
        raise ValueError("a derangement needs at least 2 rows")
    order = np.random.default_rng(seed).permutation(count)
    places = np.empty(count, dtype=int)
    places[order] = np.roll(order, 1)
    return places
