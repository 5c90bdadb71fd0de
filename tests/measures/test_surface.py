"""Surface measures by hand."""

from __future__ import annotations

import unicodedata
from decimal import Decimal

import pytest

from tasks.measures import surface


def test_characters_are_of_the_composed_text():
    assert surface.characters(unicodedata.normalize("NFD", " 한글 ")) == 2


def test_compression_is_summary_over_document():
    assert surface.compression("가나", "가나다라마바사아") == 0.25
    assert surface.compression("", "가나") == 0.0
    with pytest.raises(ValueError, match="empty"):
        surface.compression("가", "  ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0.0),
        ("가나", 0.0),
        ("가나다라마바사", 0.0),
        ("요요요요요요", 0.75),  # 4 grams, 1 distinct
        ("요요 요요\n요요", 0.75),
        ("가나다가나다", 0.25),  # 가나다 나다가 다가나 가나다
    ],
)
def test_repetition(text, expected):
    assert surface.repetition(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3만 원", [30000]),
        ("30,000원", [30000]),
        ("３만", [30000]),
        ("1억 2천만 원", [120_000_000]),
        ("4억 8,385만장", [483_850_000]),
        ("3만 5천", [35000]),
        ("사과 3만, 배 2개", [30000, 2]),
        ("2026.03.01", [2026, 3, 1]),
        ("2026-03-01 09:30", [2026, 3, 1, 9, 30]),
        ("3.5%와 10.5만", ["3.5", "105000"]),
        ("1,682ha", [1682]),
        ("숫자 없음", []),
    ],
)
def test_numbers(text, expected):
    assert surface.numbers(text) == [Decimal(value) for value in expected]


def test_a_number_that_the_document_lacks_is_invented():
    document = "민수: 3만 원 내고 오후 2시에 보자."
    assert surface.invented_numbers("30,000원을 내고 2시에 만난다.", document) == 0
    assert surface.invented("20,000원을 내고 3시에 만난다.", document) == [20000, 3]


def test_number_words_of_the_document_count():
    assert surface.invented("9시 30분에 3명이 모인다.", "아홉 시 반에 세 명이 모인다.") == []
    assert surface.invented("4명이 모인다.", "세 명이 모인다.") == [4]
    assert surface.invented("30분", "필요시 반도체를 산다.") == [30]
