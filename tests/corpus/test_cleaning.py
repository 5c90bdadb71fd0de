import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.corpus.cleaning import clean, truncate

ODD = st.text(
    alphabet=st.one_of(
        st.sampled_from("가나\u1100\u1161\u11a8\u200b\ufeff\r\n\t\x00\x08\u3164<>|/s[]pad \u2028｜"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=60,
)


@pytest.mark.parametrize(
    ("text", "cleaned", "note"),
    [
        ("하나\r\n둘\r셋", "하나\n둘\n셋", "line_breaks"),
        ("하나\u2028둘\x0b셋", "하나\n둘\n셋", "line_breaks"),
        ("안\u200b녕\ufeff", "안녕", "zero_width"),
        ("가\x00나\x08다\x7f\x85라", "가나다\n라", "control_characters"),
        ("가\t나\u3164다", "가 나 다", "blank_glyphs"),
        (unicodedata.normalize("NFD", "한글"), "한글", "not_nfc"),
        ("  한글  \n 둘  ", "한글\n 둘", "edge_spaces"),
        ("한\ufffd글", "한\ufffd글", "replacement_characters"),
    ],
)
def test_each_oddity_is_mended_and_noted(text, cleaned, note):
    assert clean(text)[0] == cleaned
    assert clean(text)[1][note] > 0


@pytest.mark.parametrize(
    "token",
    [
        "<|endoftext|>",
        "<|im_end|>",
        "<｜end▁of▁sentence｜>",
        "[|endofturn|]",
        "<s>",
        "</s>",
        "<pad>",
        "<unk>",
        "<start_of_turn>",
        "<extra_id_12>",
        "<unused3>",
        "[SEP]",
        "[/INST]",
        "<<SYS>>",
        "<\u200bs>",
    ],
)
def test_a_literal_special_token_goes_and_words_stay_apart(token):
    text, notes = clean(f"좋아요{token}네 {token}{token}\n끝{token}")
    assert text == "좋아요 네\n끝"
    assert notes["special_tokens"] == 3


@pytest.mark.parametrize(
    "text", ["<file_gif>", "#PhoneNumber#", "[Sep] 3 < 4 > 2", "<b>굵게</b>", "ㅋㅋㅠㅠ 😊 ？"]
)
def test_what_only_looks_like_a_token_stays(text):
    assert clean(text) == (text, {})


def test_a_zero_width_answer_with_a_literal_end_is_empty():
    assert clean("\u200b<|endoftext|>")[0] == ""


def test_a_token_that_removal_would_form_does_not_form():
    assert "</s>" not in clean("<<s>/s>")[0]
    assert "<s>" not in clean("<\x00s><<s>s>")[0]


def test_a_lone_surrogate_is_an_encoding_error():
    with pytest.raises(UnicodeEncodeError):
        clean("가\ud83d나")


@given(ODD)
def test_cleaning_twice_changes_nothing(text):
    once, _ = clean(text)
    assert clean(once)[0] == once
    assert unicodedata.is_normalized("NFC", once)


def test_long_runs_of_spaces_and_marks_take_no_quadratic_time():
    assert clean("가" + " " * 300_000 + "나" + "<|" * 100_000)[0].startswith("가")


@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [
        ("짧다.", 3, "짧다."),
        ("첫 문장. 둘째 문장. 셋째", 14, "첫 문장. 둘째 문장."),
        ("첫 문장. 둘째 문장. 셋째", 12, "첫 문장. 둘째 문장."),
        ("첫 문장. 둘째 문장. 셋째", 11, "첫 문장."),
        ("가나: 네\n다라: 아니요\n가나: 음", 12, "가나: 네"),
        ("값은 3.5 이고 더 길다", 7, "값은 3.5"),
        ("붙어있는긴글입니다", 4, "붙어있는"),
        ("‘좋다.’ 그가 말했다", 7, "‘좋다.’"),
    ],
)
def test_truncation_ends_at_a_line_or_sentence(text, limit, cut):
    assert truncate(text, limit) == cut


@given(ODD, st.integers(1, 40))
def test_truncated_text_fits_and_is_not_empty(text, limit):
    text = clean(text)[0]
    cut = truncate(text, limit)
    assert len(cut) <= limit
    assert text.startswith(cut)
    assert bool(cut) == bool(text)
