import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.corpus.turns import flatten
from tasks.refusal import Refusal


def test_nikl_turns_with_text_or_number_speakers():
    turns = [
        {"speaker": "SD2000001", "utterance": "저는 산이 좋아요."},
        {"speaker": 1, "text": "바다는\r\n어때요?"},
        {"speaker": 2.0, "말": "좋아요"},
    ]
    text, notes = flatten(turns, "a:1")
    assert text == "SD2000001: 저는 산이 좋아요.\n1: 바다는 어때요?\n2: 좋아요"
    assert notes["turns"] == 3
    assert notes["dialogues"] == 1


def test_a_turn_without_speaker_is_kept_and_counted_and_an_empty_one_dropped():
    turns = [
        {"utterance": "누구세요"},
        {"speaker": None, "utterance": "글쎄"},
        {"speaker": "가", "utterance": "\u200b"},
    ]
    text, notes = flatten(turns, "a:1")
    assert text == "누구세요\n글쎄"
    assert (notes["unparsed_turns"], notes["empty_turns"], notes["zero_width"]) == (2, 1, 1)


def test_person_tags_with_crlf_an_untagged_line_and_a_translated_tag():
    text, notes = flatten("#Person1#: 안녕\r\n#Person2#:네\r\n이어지는 말\r\n#사람1# : 그래", "a:1")
    assert text == "#Person1#: 안녕\n#Person2#: 네\n이어지는 말\n#사람1#: 그래"
    assert (notes["turns"], notes["unparsed_turns"]) == (3, 1)


def test_named_lines_are_turns_when_somebody_speaks_twice():
    text, notes = flatten("지우 : 왔어?\nAmanda: yes <file_gif>\n지우:응", "a:1")
    assert text == "지우: 왔어?\nAmanda: yes <file_gif>\n지우: 응"
    assert notes["turns"] == 3


@pytest.mark.parametrize(
    "text",
    [
        "일시 : 3월 2일\n장소 : 시청\n많은 사람이 왔다.",
        "10:30 회의\n11:30 점심\n10:30 회의",
        "http://a.kr\nhttp://a.kr",
    ],
)
def test_other_text_with_colons_stays_as_it_is(text):
    assert flatten(text, "a:1")[0] == text


def test_a_list_of_sentences_loses_its_nulls():
    text, notes = flatten(["첫째.", None, "둘째."], "a:1")
    assert text == "첫째.\n둘째."
    assert notes["null_sentences"] == 1


@pytest.mark.parametrize(
    "value", [None, 3, 3.5, True, {}, [["가", "나"]], ["가", 1], [{}], [{"utterance": 3}]]
)
def test_what_is_no_document_is_refused_with_its_place(value):
    with pytest.raises(Refusal, match=r"train\.jsonl:7") as refusal:
        flatten(value, "train.jsonl:7")
    assert refusal.value.cure


@given(
    st.recursive(
        st.none() | st.text() | st.integers() | st.floats(),
        lambda s: st.lists(s) | st.dictionaries(st.sampled_from(["speaker", "utterance", "text", "말"]), s),
        max_leaves=8,
    )
)
def test_any_value_becomes_text_or_a_refusal(value):
    with contextlib.suppress(Refusal):
        assert isinstance(flatten(value, "a:1")[0], str)


@given(st.text(alphabet="가나: #12\n", max_size=40))
def test_flattening_twice_changes_nothing(text):
    once = flatten(text, "a:1")[0]
    assert flatten(once, "a:1")[0] == once
