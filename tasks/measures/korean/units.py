"""What a text is cut into before two texts are compared: five units, from a phrase's word down to a letter."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable

from tasks.measures.morphemes import PUNCTUATION, SPEAKER, analysed, normalise

Tokens = tuple[str, ...]
# Nouns, numbers, verbs, adjectives, adverbs, roots and foreign words; no pronoun, no counter, no auxiliary.
CONTENT = frozenset({"NNG", "NNP", "NR", "VV", "VA", "MAG", "XR", "SL", "SH", "SN"})
_SIGNS = frozenset("LNMS")  # Unicode categories: letters, numbers, marks, symbols; no space, no punctuation


def morphemes(text: str) -> Tokens:
    """Kiwi's morphemes without punctuation, Latin in lower case."""
    return tuple(found.form.lower() for found in analysed(text) if found.tag not in PUNCTUATION)


def content(text: str) -> Tokens:
    """The morphemes that carry content, without the placeholder of speakers, whom it cannot tell apart."""
    found = (each for each in analysed(text) if each.tag in CONTENT)
    return tuple(each.form.lower() for each in found if each.form != SPEAKER)


def eojeol(text: str) -> Tokens:
    """What stands between white space, in lower case, without punctuation at its ends."""
    return tuple(word for each in normalise(text).lower().split() if (word := _bare(each)))


def syllables(text: str) -> Tokens:
    """Every letter, digit and symbol of the composed text: a Hangul syllable is one."""
    return _signs(_shortened(text))


def jamo(text: str) -> Tokens:
    """The same of the decomposed text: a Hangul syllable is two or three."""
    return _signs(unicodedata.normalize("NFD", _shortened(text)))


UNITS: dict[str, Callable[[str], Tokens]] = {
    "content": functools.lru_cache(maxsize=20_000)(content),
    "eojeol": functools.lru_cache(maxsize=20_000)(eojeol),
    "syllable": functools.lru_cache(maxsize=20_000)(syllables),
    "jamo": functools.lru_cache(maxsize=20_000)(jamo),
}  # beside all morphemes, which the names without a unit stand for


def _shortened(text: str) -> str:
    """The normalised text in lower case; a speaker's placeholder is one sign, as its ten letters are no words."""
    return normalise(text).lower().replace(SPEAKER, "¤")


def _signs(text: str) -> Tokens:
    return tuple(sign for sign in text if unicodedata.category(sign)[0] in _SIGNS)


def _bare(word: str) -> str:
    """The word without what is neither letter, digit nor symbol at its ends."""
    kept = [place for place, sign in enumerate(word) if unicodedata.category(sign)[0] in _SIGNS]
    return word[kept[0] : kept[-1] + 1] if kept else ""
