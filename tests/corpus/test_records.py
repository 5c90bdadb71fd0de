from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.corpus.records import Record, usable
from tasks.refusal import Refusal


def record(**values):
    return Record(
        "data/own/documents/train.jsonl:41",
        "train",
        {"document": "긴 글이다.", "summary": "글", **values},
        Counter(),
    )


def test_a_row_keeps_its_values_clean():
    placed = usable(record(id=7, title=" 제목\r\n", date="2024.1.3", facts='{"a": 1}'))
    assert (placed.row.id, placed.row.title, placed.row.date) == ("7", "제목", "2024-01-03")
    assert placed.row.facts == '{"a": 1}'
    assert placed.notes["line_breaks"] == 1


def test_without_an_id_field_the_place_is_the_id():
    assert usable(record()).row.id == "train.jsonl:41"


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        ({"document": None}, "no document"),
        ({"document": "\u200b \u3164"}, "document is empty"),
        ({"summary": None}, "no summary"),
        ({"summary": "<|endoftext|>"}, "summary is empty"),
        ({"summary": ["글"]}, "summary is not text (list)"),
        ({"summary": " 긴  글이다.\u200b"}, "equals the summary"),
        ({"document": "가\ud83d"}, "lone surrogate (U+D83D"),
        ({"summary": "\udcc0"}, "lone surrogate"),
        ({"title": "\udcc0"}, "lone surrogate"),
        ({"id": "\udcc0"}, "lone surrogate"),
        ({"id": None}, "no id"),
        ({"id": " "}, "no id"),
        ({"id": True}, "no id"),
        ({"id": float("nan")}, "no id"),
    ],
)
def test_a_refused_row_says_where_why_and_what_helps(values, cause):
    with pytest.raises(Refusal) as refusal:
        usable(record(**values))
    assert refusal.value.place == "data/own/documents/train.jsonl:41"
    assert cause in refusal.value.cause
    assert refusal.value.cure


def test_unreadable_title_and_date_are_null_and_counted():
    placed = usable(record(title=3, date="어제"))
    assert (placed.row.title, placed.row.date) == (None, None)
    assert (placed.notes["unreadable_titles"], placed.notes["unreadable_dates"]) == (1, 1)
    assert usable(record(title="", date="")).notes == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["speaker", "text"]), inner),
    max_leaves=6,
)


@given(st.fixed_dictionaries(dict.fromkeys(("document", "summary", "id", "title", "date"), JSON)))
def test_any_values_make_a_row_or_a_refusal(values):
    try:
        row = usable(Record("a:1", None, values, Counter())).row
    except Refusal:
        return
    for text in (row.id, row.document, row.summary, row.title or "x"):
        assert text.strip()
        assert text.encode("utf-8")
