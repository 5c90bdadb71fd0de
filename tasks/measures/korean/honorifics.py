"""The speech level of a text's sentences (합니다, 해요, 한다, 해, 함), and whether it keeps to one."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from tasks.measures.morphemes import PUNCTUATION, Morpheme, analysed

FORMAL, POLITE, PLAIN, CASUAL, NOMINAL = "합니다", "해요", "한다", "해", "함"
_FORMAL = ("ᆸ니다", "습니다", "ᆸ니까", "습니까", "ᆸ시오", "십시오", "ᆸ시다", "읍시다", "나이다")
_PLAIN = ("다", "냐", "니", "자", "라", "니라", "마")
_NOMINAL = ("ᆷ", "음", "기")


def levels(text: str) -> list[str]:
    """The level of every sentence that has one, in order; a sentence that was cut off has none."""
    found = []
    for _, sentence in groupby(analysed(text), key=lambda each: each.sentence):
        level = _level([each for each in sentence if each.tag not in PUNCTUATION])
        found += [level] if level else []
    return found


def _level(sentence: list[Morpheme]) -> str:
    last = sentence[-1] if sentence else None
    if last is None:
        return ""
    if last.tag == "ETN" or (last.tag == "EF" and last.form in _NOMINAL):
        return NOMINAL
    if last.form == "요" and last.tag in ("JX", "EF"):
        return POLITE
    if last.tag != "EF" and (last.tag, last.form) != (
        "EC",
        "다",
    ):  # Kiwi takes some ends without a full stop for EC
        return ""
    if last.form.endswith(_FORMAL):
        return FORMAL
    if last.form.endswith(("요", "죠")):
        return POLITE
    return PLAIN if last.form.endswith(_PLAIN) else CASUAL


def mixed_levels(text: str) -> float:
    """Share of sentences that are not of the text's most common level: 0 where all are or none has one, below 1."""
    found = Counter(levels(text))
    return 1 - max(found.values()) / found.total() if found else 0.0
