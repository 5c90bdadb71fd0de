"""Where one text differs from another, word by word."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from itertools import groupby
from typing import NamedTuple


class Part(NamedTuple):
    """A piece of a text, spaces included, and whether the other text has nothing like it in this place."""

    text: str
    differs: bool


def parts(text: str, other: str) -> list[Part]:
    """The text in pieces, which together are the text again.

    Words are what stands between spaces; the longest common runs of words are the common ones (difflib, Ratcliff and
    Obershelp 1988). Space between two words that differ is marked with them.
    """
    words, theirs = re.findall(r"\S+", text), re.findall(r"\S+", other)
    matcher = SequenceMatcher(None, words, theirs, autojunk=False)
    common = {block.a + n for block in matcher.get_matching_blocks() for n in range(block.size)}
    pieces, place = [], 0
    for piece in re.findall(r"\s+|\S+", text):
        if piece.isspace():
            inside = 0 < place < len(words) and not {place - 1, place} & common
            pieces.append(Part(piece, inside))
        else:
            pieces.append(Part(piece, place not in common))
            place += 1
    return [
        Part("".join(piece.text for piece in some), differs)
        for differs, some in groupby(pieces, key=lambda piece: piece.differs)
    ]
