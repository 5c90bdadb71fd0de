"""Extractive fragments by hand."""

from __future__ import annotations

import pytest

from tasks.measures.korean.copying import copying, fragments


@pytest.mark.parametrize(
    ("summary", "document", "lengths"),
    [
        ("abcde", "xabycdea", [2, 3]),  # ab, cde
        ("abz", "ab", [2]),
        ("zab", "abab", [2]),
        ("aa", "a", [1, 1]),
        ("", "abc", []),
        ("abc", "", []),
    ],
)
def test_fragments(summary, document, lengths):
    assert fragments(summary, document) == lengths


def test_coverage_and_density_by_hand():
    # 민수 가 책 을 사 었 다: 7 morphemes; 책 을 stands there, 사 었 다 too, 가 does, 민수 does not
    found = copying("민수가 책을 샀다.", "지수가 샀다. 책을 팔았다.")
    assert found["extractive_coverage"] == pytest.approx(6 / 7)
    assert found["extractive_density"] == pytest.approx((1 + 4 + 9) / 7)


def test_a_copy_is_covered_by_one_fragment_and_no_text_by_none():
    text = "민수가 책을 샀다."
    assert copying(text, f"어제 {text}") == {"extractive_coverage": 1.0, "extractive_density": 7.0}
    assert copying("", text) == {"extractive_coverage": 0.0, "extractive_density": 0.0}
