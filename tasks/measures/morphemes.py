"""Kiwi's morphemes of a text, analysed once, on which ROUGE and the checks of Korean stand.

A text is NFC first. `#Person1#` and a line's `이름:` become one placeholder, so that no name of a speaker counts as
a word said; who spoke is kept apart, for the checks that ask for it.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Any, NamedTuple

SPEAKER = "speakertag"  # Latin, so Kiwi keeps it whole, also before a particle
PUNCTUATION = frozenset({"SF", "SP", "SS", "SSO", "SSC", "SE", "SO"})

TAG = re.compile(r"#[^\W_]+#")
# A word before a colon at the start of a line; neither a clock (오전9:30) nor an address (https://).
PREFIX = re.compile(
    r"^[^\S\n]*[^\W\d_]\w{0,11}(?: ?\d{1,2})?[^\S\n]*[:：](?!//)(?!(?<=\d[:：])\d)", re.MULTILINE
)


class Morpheme(NamedTuple):
    """A morpheme as Kiwi writes it, its Sejong tag without Kiwi's mark of regularity, and where it stands.

    `start` and `end` count characters of the normalised text, `sentence` its sentences from 0; no line ends inside one.
    """

    form: str
    tag: str
    start: int
    end: int
    sentence: int


def normalise(text: str) -> str:
    """The text as it is scored: NFC, `#Person1#` and a line's `이름:` replaced by one placeholder."""
    text = unicodedata.normalize("NFC", text)
    return TAG.sub(f" {SPEAKER}", PREFIX.sub(f"{SPEAKER} :", text))


@functools.lru_cache(maxsize=20_000)
def analysed(text: str) -> tuple[Morpheme, ...]:
    """Every morpheme of the normalised text, in order, punctuation included."""
    tokens: Any = _kiwi().tokenize(normalise(text))  # its annotation covers other kinds of calls
    return tuple(
        Morpheme(
            token.form,
            token.tag.partition("-")[0],
            token.start,
            token.end,
            token.sent_position,
        )
        for token in tokens
    )


@functools.cache
def _kiwi() -> Any:
    """The one analyser of this process; to load it takes seconds.

    Without Kiwi's dictionary of names of several words, each of which would be one morpheme and takes seconds to load.
    """
    from kiwipiepy import Kiwi

    return Kiwi(num_workers=1, load_multi_dict=False)
