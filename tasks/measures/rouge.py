"""Morpheme ROUGE for Korean, with the floor and the baselines that a reader needs beside it.

The usual tokenizer of rouge-score keeps [a-z0-9] and deletes all Hangul: two equal Korean sentences score 0.
Here texts are NFC, speaker tags become one placeholder, and Kiwi's morphemes (all parts of speech,
punctuation left out, Latin in lower case) are the tokens. Morphemes cannot see who did what: a summary
with two speakers swapped scores 1.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

KINDS = ("rouge1", "rouge2", "rougeL")
SPEAKER = "speakertag"  # Latin, so Kiwi keeps it whole, also before a particle
PUNCTUATION = frozenset({"SF", "SP", "SS", "SSO", "SSC", "SE", "SO"})

_TAG = re.compile(r"#[^\W_]+#")
# A word before a colon at the start of a line; neither a clock (오전9:30) nor an address (https://).
_PREFIX = re.compile(
    r"^[^\S\n]*[^\W\d_]\w{0,11}(?: ?\d{1,2})?[^\S\n]*[:：](?!//)(?!(?<=\d[:：])\d)", re.MULTILINE
)
_SENTENCE = re.compile(r".+?[.!?。！？…]+[\"'”’)\]]*(?=\s|$)")


def normalise(text: str) -> str:
    """The text as it is scored: NFC, `#Person1#` and a line's `이름:` replaced by one placeholder."""
    text = unicodedata.normalize("NFC", text)
    return _TAG.sub(f" {SPEAKER}", _PREFIX.sub(f"{SPEAKER} :", text))


class Morphemes:
    """What RougeScorer asks of a tokenizer: `tokenize(text)`, its morphemes; each text is analysed once.

    Without Kiwi's dictionary of names of several words, each of which would be one morpheme and takes seconds to load.
    """

    def __init__(self) -> None:
        from kiwipiepy import Kiwi

        self._kiwi = Kiwi(num_workers=1, load_multi_dict=False)
        self.tokenize = functools.lru_cache(maxsize=100_000)(self._tokenize)

    def _tokenize(self, text: str) -> tuple[str, ...]:
        tokens: Any = self._kiwi.tokenize(normalise(text))  # its annotation covers other kinds of calls
        return tuple(token.form.lower() for token in tokens if token.tag not in PUNCTUATION)


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
    if _PREFIX.match(line) or _TAG.match(line):
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


def baselines(
    documents: Sequence[str], references: Sequence[str], titles: Sequence[str | None], seed: int
) -> dict[str, dict[str, float]]:
    """Mean F1 by kind of `lead1`, `title` (rows that have one, with their count) and `random`, the floor.

    `random` scores each reference against some other document's: what particles and endings alone give.
    """
    found = {"lead1": _mean([lead(document) for document in documents], references)}
    titled = {place: title for place, title in enumerate(titles) if title}
    if titled:
        found["title"] = _mean(list(titled.values()), [references[place] for place in titled])
        found["title"]["rows"] = float(len(titled))
    if len(references) > 1:
        others = [references[int(place)] for place in derangement(len(references), seed)]
        found["random"] = _mean(others, references)
    return found


def _mean(predictions: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    return {kind: float(values.mean()) for kind, values in scores(predictions, references).items()}
