"""Morpheme ROUGE: what the default scorer gets wrong in Korean, by hand."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer

from tasks.measures import morphemes, rouge

SENTENCE = "철수가 영희에게 책을 주었다."


def test_identical_korean_is_one_where_the_default_says_zero():
    default = RougeScorer(["rouge1"]).score(SENTENCE, SENTENCE)["rouge1"].fmeasure
    assert default == 0.0
    assert rouge.rouge(SENTENCE, SENTENCE) == {"rouge1": 1.0, "rouge2": 1.0, "rougeL": 1.0}


def test_f1_by_hand():
    # 책 을 사 었 다 and 책 을 팔 었 다: 4 of 5 morphemes, 2 of 4 bigrams, the longest subsequence has 4
    assert rouge.rouge("책을 샀다.", "책을 팔았다") == pytest.approx(
        {"rouge1": 0.8, "rouge2": 0.5, "rougeL": 0.8}
    )
    # 책 을 사 었 다 within 나 는 책 을 사 었 다: precision 1, recall 5/7, bigrams 4/4 and 4/6
    longer = rouge.rouge("책을 샀다", "나는 책을 샀다")
    assert longer == pytest.approx({"rouge1": 5 / 6, "rouge2": 0.8, "rougeL": 5 / 6})


def test_decomposed_hangul_is_the_same_text():
    decomposed = unicodedata.normalize("NFD", SENTENCE)
    assert decomposed != SENTENCE
    assert rouge.rouge(decomposed, SENTENCE)["rougeL"] == 1.0


def test_missing_spaces_change_nothing():
    assert rouge.rouge(SENTENCE.replace(" ", ""), SENTENCE)["rouge2"] == 1.0


def test_swapped_speakers_are_not_seen_by_rouge1():
    swapped = rouge.rouge("영희가 철수에게 책을 주었다.", SENTENCE)
    assert swapped["rouge1"] == 1.0
    assert swapped["rougeL"] < 1.0


def test_no_text_is_zero():
    assert rouge.rouge("", SENTENCE)["rouge1"] == 0.0
    assert rouge.rouge("...", "...")["rougeL"] == 0.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#Person1#은 #Person2#를 만났다", "speakertag은  speakertag를 만났다"),
        ("민수: 안녕\n지수 2: 응", "speakertag : 안녕\nspeakertag : 응"),
        ("10:30에 보자", "10:30에 보자"),
        ("오전9:30에 보자", "오전9:30에 보자"),
        ("https://gallim.kr", "https://gallim.kr"),
    ],
)
def test_speaker_tags_become_one_placeholder(text, expected):
    assert morphemes.normalise(text).strip() == expected


def test_tags_alone_do_not_make_two_summaries_alike():
    left, right = "#Person1#은 병원에 간다.", "#Person2#은 병원에 간다."
    assert rouge.rouge(left, right)["rouge1"] == 1.0
    assert rouge._scorer()._tokenizer.tokenize(left)[0] == morphemes.SPEAKER


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("민수: 안녕. 밥 먹자.\n지수: 응", "민수: 안녕. 밥 먹자."),
        ("오늘 3.5도다. 내일은 아니다.", "오늘 3.5도다."),
        ("\n제목 한 줄\n본문이다.", "제목 한 줄"),
        (" \n", ""),
    ],
)
def test_lead_is_the_first_turn_sentence_or_line(document, expected):
    assert rouge.lead(document) == expected


@pytest.mark.parametrize("count", [2, 3, 10, 101])
def test_a_derangement_moves_every_row(count):
    places = rouge.derangement(count, seed=3)
    assert sorted(places) == list(range(count))
    assert (places != np.arange(count)).all()
    assert (places == rouge.derangement(count, seed=3)).all()


def test_a_derangement_of_one_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        rouge.derangement(1, seed=0)
