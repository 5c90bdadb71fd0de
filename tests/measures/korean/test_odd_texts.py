"""Every measure is finite and in its bounds, whatever the text."""

from __future__ import annotations

import math
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.measures import texts
from tasks.measures.korean import overlap

PIECES = [
    "민수: ", "지수: ", "#Person1#: ", "#Person1#은 ", "민수가 ", "지수는 ", "표를 ", "안 ", "사기로 했다", "담당",
    "사지 않았다", "할 수 없다", "네가 ", "내가 살게", "사 줄래?", "아니, ", ". ", ",", "\n", " ", "\t", "ㅋㅋㅋ",
    "ㅠㅠ", "😀", "👨\u200d👩\u200d👧", "\u200b", "\ufeff", "\x00", "3만 원", "２", "①", "漢字", "カナ", "İ", "ß",
    "speakertag", "§", "#", "OK", "don't", "…", "\u2028", "\r", ":", "https://a.b", "\u1112", "\u119e\u11a2",
    unicodedata.normalize("NFD", "한글을 샀다"),
]  # fmt: skip
TEXTS = st.one_of(st.lists(st.sampled_from(PIECES), max_size=25).map("".join), st.text(max_size=40))
COUNTS = ("characters", "invented_numbers", "invented_entities", "wrong_speakers", "flipped_negations")


def in_bounds(summary: str, document: str, reference: str) -> None:
    row = {"document": f"가{document}", "summary": reference, "title": None}
    found = {name: values[0] for name, values in texts.seen([summary], [row]).items()}
    assert all(math.isfinite(value) for value in found.values())
    shares = [
        "rouge1",
        "rouge2",
        "rougeL",
        *overlap.NAMES,
        "repetition",
        "mixed_levels",
        "extractive_coverage",
    ]
    assert all(0 <= found[name] <= 1 for name in shares)
    assert all(found[name] >= 0 for name in (*COUNTS, "compression", "extractive_density"))
    assert found["wrong_speakers"] <= found["speakers_checked"]
    assert found["flipped_negations"] <= found["negations_checked"]


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS, TEXTS)
def test_odd_texts(summary, document, reference):
    in_bounds(summary, document, reference)


@pytest.mark.parametrize(
    "piece", ["민수가 표를 산다. ", "가", "ㅋ", "😀", "민수: 표는 내가 살게.\n지수: 응.\n"]
)
def test_ten_thousand_characters(piece):
    text = (piece * 10_000)[:10_000]
    in_bounds(text, text, text[:300])
