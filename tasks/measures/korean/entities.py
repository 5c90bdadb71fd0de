"""Names that a summary has and its document has not: proper nouns by Kiwi, Latin words, hanja, speakers' tags."""

from __future__ import annotations

import functools
import re
import unicodedata

from tasks.measures.morphemes import SPEAKER, TAG, analysed

NAMES = ("NNP", "SL", "SH")
_HANGING = ("이", "가", "은", "는", "도")  # Kiwi at times takes 지훈이 or 경수가 for a name
_WORD = re.compile(r"\w+")


def entities(text: str) -> list[str]:
    """Every name in order, repetitions included, in lower case; neighbouring proper nouns are names of their own."""
    found = [each.form for each in analysed(text) if each.tag in NAMES and each.form != SPEAKER]
    return [*map(_plain, found), *map(_plain, TAG.findall(text))]


def invented(summary: str, document: str) -> list[str]:
    """The names of the summary that stand nowhere in the document.

    A Korean name may stand inside another word, as particles and titles hang on it and Kiwi may cut it elsewhere; a
    Latin one must be a word of its own, so that AI is not found in said.
    """
    return [name for name in entities(summary) if not _stands(name, document)]


def invented_entities(summary: str, document: str) -> int:
    """How many names of the summary stand nowhere in the document."""
    return len(invented(summary, document))


def _stands(name: str, document: str) -> bool:
    text, words = _searched(document)
    if name.isascii() and name.isalnum():
        return name in words
    return name in text or (len(name) > 2 and name.endswith(_HANGING) and name[:-1] in text)


@functools.lru_cache(maxsize=20_000)
def _searched(document: str) -> tuple[str, frozenset[str]]:
    """The document without white space, and its Latin words, both in lower case."""
    text = _plain(document)
    kinds = r"[a-z0-9]+", r"[a-z]+"  # 6G holds g, too, as Kiwi parts letters from digits
    words = frozenset(
        part for word in _WORD.findall(text) for kind in kinds for part in re.findall(kind, word)
    )
    return "".join(text.split()), words


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()
