"""Where two summaries differ."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.measures.marks import Part, parts


@pytest.mark.parametrize(
    ("text", "other", "expected"),
    [
        ("민지가 간다", "민지가 간다", [("민지가 간다", False)]),
        ("민지가 간다", "수호가 간다", [("민지가", True), (" 간다", False)]),
        ("세 시에 만난다", "내일 다섯 시에 만난다", [("세", True), (" 시에 만난다", False)]),
        ("가 나 다 라", "가 라", [("가 ", False), ("나 다", True), (" 라", False)]),
        ("가 나", "", [("가 나", True)]),
        ("", "가 나", []),
        ("가  나\n", "가 나", [("가  나\n", False)]),  # space alone is no difference
    ],
)
def test_words_that_the_other_has_not_in_this_place_are_marked(text, other, expected):
    assert parts(text, other) == [Part(*one) for one in expected]


TEXTS = st.text(st.sampled_from("가나 \n<"), max_size=30)


@given(TEXTS, TEXTS)
def test_the_parts_are_the_text(text, other):
    found = parts(text, other)
    assert "".join(part.text for part in found) == text
    assert all(one.differs != two.differs for one, two in pairwise(found))
    assert not any(part.differs for part in parts(text, text))
