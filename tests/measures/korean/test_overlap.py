"""Units and what two texts share in them: by hand, and the traps of Korean ROUGE."""

from __future__ import annotations

import random
import unicodedata

import pytest
from rouge_score.rouge_scorer import RougeScorer

from tasks.measures import rouge
from tasks.measures.korean import overlap, units

SENTENCE = "철수가 어제 영희에게 새 책을 주었다."
KINDS = ("rouge1", "rouge2", "rougeL")


def scores(prediction: str, reference: str) -> dict[str, float]:
    """Every measure of overlap, the one over all morphemes included."""
    found = overlap.shared([prediction], [reference])
    return rouge.rouge(prediction, reference) | {name: values[0] for name, values in found.items()}


@pytest.mark.parametrize(
    ("unit", "rouge1", "rouge2", "longest"),
    [
        # 책 사 and 책 팔: 1 of 2
        ("content", 0.5, 0.0, 0.5),
        # 책을 샀다 and 책을 팔았다: 1 of 2
        ("eojeol", 0.5, 0.0, 0.5),
        # 책 을 샀 다 and 책 을 팔 았 다: 3 of 4 and 5, 책을 of 3 and 4 pairs; F1 is 2 common / (sum of both)
        ("syllable", 6 / 9, 2 / 7, 6 / 9),
        # ㅊㅐㄱㅇㅡㄹ ㅅㅏㅆ ㄷㅏ (11) and ㅊㅐㄱㅇㅡㄹ ㅍㅏㄹㅇㅏㅆ ㄷㅏ (14) share all but ㅅ: 10; of 10 and 13 pairs
        # the five of 책을 and ㅏㅆ ㅆㄷ ㄷㅏ: 8
        ("jamo", 20 / 25, 16 / 23, 20 / 25),
    ],
)
def test_f1_by_hand(unit, rouge1, rouge2, longest):
    cut = units.UNITS[unit]
    found = overlap.rouge(cut("책을 샀다."), cut("책을 팔았다"))
    assert found == pytest.approx({"rouge1": rouge1, "rouge2": rouge2, "rougeL": longest})


def test_chrf_by_hand():
    # 가나 against 가다: 1 of 2 characters, 0 of 1 pairs, and no longer n-grams; the mean is 0.25 of either side
    assert overlap.chrf("가나", "가다") == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("unit", "text", "expected"),
    [
        ("content", "철수가 안 간다. #Person1#은 Samsung TV 3대를 샀다", "철수 안 가 samsung tv 3 사"),
        ("eojeol", "‘철수가’ (영희에게) … OK!", "철수가 영희에게 ok"),
        ("syllable", "ㅋㅋ 😀 3시!\u200b", "ㅋ ㅋ 😀 3 시"),
        ("jamo", "값ㅋ", "\u1100 \u1161 \u11b9 ㅋ"),
    ],
)
def test_units(unit, text, expected):
    assert " ".join(units.UNITS[unit](text)) == expected


def test_identical_korean_scores_1_on_every_measure():
    assert scores(SENTENCE, SENTENCE) == pytest.approx(dict.fromkeys((*KINDS, *overlap.NAMES), 1.0))


def test_decomposed_hangul_is_the_same_text():
    decomposed = unicodedata.normalize("NFD", SENTENCE)
    assert set(scores(decomposed, SENTENCE).values()) == {1.0}


def test_missing_spaces_are_seen_by_eojeol_alone():
    found = scores(SENTENCE.replace(" ", ""), SENTENCE)
    assert {name for name, value in found.items() if value < 1} == {f"{kind}_eojeol" for kind in KINDS}
    assert found["rouge1_eojeol"] == 0.0


def test_swapped_speakers_are_not_seen_by_rouge1():
    found = scores("영희가 어제 철수에게 새 책을 주었다.", SENTENCE)
    assert (found["rouge1"], found["rouge1_content"], found["rouge1_syllable"]) == (1.0, 1.0, 1.0)


def test_a_negation_costs_two_morphemes():
    # 철수 가 어제 영희 에게 새 책 을 주 었 다: 11, and 지 않 besides: 2 * 11 / (11 + 13)
    found = scores("철수가 어제 영희에게 새 책을 주지 않았다.", SENTENCE)
    assert found["rouge1"] == pytest.approx(0.92, abs=0.005)


def test_speakers_tags_are_no_words():
    found = scores("#Person1#은 병원에 간다.", "#Person2#는 병원에 간다.")
    assert (found["rouge1_content"], found["rougeL_content"]) == (1.0, 1.0)
    assert overlap.chrf("#Person1#", "#Person2#") == 1.0


def test_english_and_no_text():
    assert set(scores("The dog ran home.", "The dog ran home.").values()) == {1.0}
    # the dog ran and the cat ran: 2 of 3
    assert scores("The dog ran", "the cat ran")["rouge1_eojeol"] == pytest.approx(2 / 3)
    for prediction, reference in (("", SENTENCE), (SENTENCE, ""), ("...", "..."), ("", "")):
        found = overlap.shared([prediction], [reference])
        assert {name for name, values in found.items() if values != [0.0]} <= {"chrf"}
    assert overlap.chrf("", SENTENCE) == 0.0


def test_the_longest_common_subsequence_is_rouge_scores():
    rng = random.Random(0)
    theirs = RougeScorer(["rougeL"], tokenizer=overlap._AsGiven())
    for _ in range(200):
        left, right = (tuple(rng.choices("가나다라", k=rng.randrange(12))) for _ in range(2))
        expected = theirs.score(right, left)["rougeL"].fmeasure
        assert overlap.rouge(left, right)["rougeL"] == pytest.approx(expected)
    assert overlap.longest_common(tuple("가" * 70), tuple("가" * 65)) == 65  # longer than a machine word
