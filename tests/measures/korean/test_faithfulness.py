"""What ROUGE cannot see is caught: swapped speakers, turned negations, invented names and numbers."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

from tasks.corpus.dialogues import generate
from tasks.measures import rouge, surface
from tasks.measures.korean.attribution import wrong_speakers
from tasks.measures.korean.entities import invented, invented_entities
from tasks.measures.korean.faithfulness import faithfulness
from tasks.measures.korean.negation import flipped_negations

DIALOGUE = """철수: 영화 보러 가자. 토요일 3시 어때?
영희: 좋아. 표는 누가 예매할까?
철수: 네가 예매해 줄래?
영희: 응, 알았어. 간식은?
철수: 내가 살게."""
SUMMARY = "철수와 영희는 토요일 3시에 영화를 보기로 했다. 표는 영희가 예매하고 간식은 철수가 산다."
ROWS = generate(404, 80)
PARAPHRASES = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "corpus/paraphrases.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]


def test_a_true_summary_has_no_fault():
    assert faithfulness(SUMMARY, DIALOGUE) == {
        "invented_entities": 0,
        "wrong_speakers": 0,
        "speakers_checked": 3,
        "flipped_negations": 0,
        "negations_checked": 3,
    }


def test_a_speaker_swap_is_caught_where_rouge_is_1(exchanged):
    swapped = exchanged(SUMMARY, "철수", "영희")
    assert rouge.rouge(swapped, SUMMARY)["rouge1"] > 0.97
    assert wrong_speakers(swapped, DIALOGUE) == (2, 3)  # both watch the film, whoever is named first


def test_a_negation_flip_is_caught_where_rouge_is_high():
    flipped = SUMMARY.replace("예매하고", "예매하지 않고")
    assert rouge.rouge(flipped, SUMMARY)["rouge1"] > 0.92
    assert flipped_negations(flipped, DIALOGUE) == (1, 3)


def test_an_affirmed_denial_is_caught():
    document = "민수: 이번에는 안 갈래. 표는 예매하지 마.\n지수: 응, 예매 안 할게."
    assert flipped_negations("지수는 표를 예매하기로 했다.", document)[0] == 1
    assert flipped_negations("지수는 표를 예매하지 않기로 했다.", document)[0] == 0


def test_what_is_asked_and_refused_denies_nothing_and_affirms_nothing():
    document = "민수: 약속을 취소할까?\n지수: 아니, 그대로 하자."
    assert flipped_negations("둘은 약속을 취소하지 않기로 했다.", document) == (0, 0)


def test_the_last_word_counts():
    document = "하준: 음료는 내가 살까?\n세진: 아니, 내가 살게.\n하준: 좋아."
    assert wrong_speakers("음료는 세진이 사기로 했다.", document) == (0, 1)
    assert wrong_speakers("음료는 하준이 사기로 했다.", document) == (1, 1)


@pytest.mark.parametrize(
    ("said", "doer"),
    [
        ("민수: 표는 내가 살게.\n지수: 응.\n민수: 좋아.", "민수"),
        ("민수: 표 좀 사 줄래?\n지수: 응, 알았어.\n민수: 좋아.", "지수"),
        ("민수: 표는 네가 살래?\n지수: 그래.\n민수: 좋아.", "지수"),
        ("민수: 지수 씨가 표를 사 주세요.\n하준: 좋아요.\n지수: 네.\n민수: 좋아요.", "지수"),
        ("민수: 하준아, 표 좀 사 줘.\n지수: 고마워.\n하준: 응.\n민수: 좋아.", "하준"),
        ("민수: 표는 누가 살까?\n지수: 내가 살게.\n민수: 좋아.", "지수"),
        ("민수: 그럼 표는 지수 담당이지?\n지수: 응.\n민수: 좋아.", "지수"),
    ],
)
def test_who_does_it_by_what_is_said(said, doer):
    for name in ("민수", "지수"):
        assert wrong_speakers(f"표는 {name}가 사기로 했다.", said) == (int(name != doer), 1)


def test_a_deed_whose_noun_stands_apart():
    document = "철수: 영화표 예매는 내가 안 했어.\n영희: 그럼 간식 준비는 내가 할게.\n철수: 좋아."
    assert flipped_negations("철수는 영화표를 예매하지 않았다.", document) == (0, 1)
    assert flipped_negations("철수는 영화표를 예매했다.", document) == (1, 1)
    assert wrong_speakers("철수는 영화표를 예매하지 않았다.", f"{document}\n영희: 예매도 내가 할게.") == (
        0,
        1,
    )
    assert wrong_speakers("영희가 간식을 준비하기로 했다.", document) == (0, 1)
    assert wrong_speakers("철수가 간식을 준비하기로 했다.", document) == (1, 1)


def test_who_asks_for_a_deed_does_not_do_it():
    document = "의사: 술은 마시지 마세요.\n환자: 네, 알겠습니다.\n의사: 좋습니다."
    summary = "의사는 환자에게 술을 마시지 말라고 했다."
    assert (wrong_speakers(summary, document), flipped_negations(summary, document)) == ((0, 0), (0, 1))
    assert flipped_negations("의사는 환자에게 술을 마시라고 했다.", document) == (1, 1)


def test_one_thing_that_is_denied_denies_no_other():
    document = "지은: 난 매운 거 못 먹어.\n현수: 칼국수 어때?\n지은: 좋아."
    assert flipped_negations("둘은 칼국수를 먹기로 했다.", document)[0] == 0
    assert flipped_negations("지은은 매운 것을 먹는다.", document)[0] == 1


def test_a_question_of_what_was_affirms_nothing():
    document = "엄마: 숙제는 다 끝냈니?\n민준: 아직이요.\n엄마: 알았어."
    assert flipped_negations("민준은 숙제를 끝내지 못했다.", document) == (0, 0)
    assert flipped_negations(
        "민준은 숙제를 끝내지 못했다.", document.replace("아직이요", "네, 그랬어요")
    ) == (1, 1)


def test_lending_is_borrowing_turned_around():
    document = "현우: 우산 좀 빌려줄래?\n세진: 응, 빌려줄게.\n현우: 고마워."
    assert wrong_speakers("현우는 세진에게서 우산을 빌리기로 했다.", document) == (0, 1)
    assert wrong_speakers("현우는 세진에게 우산을 빌려주기로 했다.", document) == (1, 1)


def test_tags_as_names():
    document = "#Person1#: 표는 제가 살게요.\n#Person2#: 감사합니다."
    assert wrong_speakers("#Person1#이 표를 산다.", document) == (0, 1)
    assert wrong_speakers("#Person2#가 표를 산다.", document) == (1, 1)
    assert invented("#Person3#가 표를 산다.", document) == ["#person3#"]


def test_a_text_without_speakers_has_none_to_check():
    found = faithfulness("정부는 예산을 늘리지 않기로 했다.", "정부는 예산을 늘리기로 했다고 밝혔다.")
    assert (found["wrong_speakers"], found["speakers_checked"]) == (0, 0)
    assert (found["flipped_negations"], found["negations_checked"]) == (1, 1)


def test_names_that_the_document_lacks():
    document = "민수: Samsung TV를 서울에서 샀다고 said 했어."
    assert invented("민수는 서울에서 SAMSUNG tv를 샀다.", document) == []
    assert invented("지훈은 부산에서 AI를 샀다.", document) == ["지훈", "부산", "ai"]  # said holds no AI
    assert invented("6G와 COVID-19", "민수: 6G 기술과 covid19를 봤어.") == []


def test_planted_faults_in_the_corpus_are_caught(exchanged, denied):
    """docs/measures.md has the figures of more rows; on these 80 no fault but one may be missed."""
    swaps = flips = strangers = alarms = 0
    free = random.Random(0)
    for row in ROWS:
        alarms += sum(faithfulness(row.summary, row.document)[name] > 0 for name in FAULTS)
        doer = next(role["doer"] for role in row.facts["roles"] if role["doer"])
        other = next(name for name in row.facts["speakers"] if name != doer)
        swaps += wrong_speakers(exchanged(row.summary, doer, other), row.document)[0] > 0
        flips += flipped_negations(denied(row.summary), row.document)[0] > 0
        number = re.sub(r"\d+", lambda match: str(int(match[0]) + 37), row.summary, count=1)
        strangers += number == row.summary or surface.invented_numbers(number, row.document) > 0
        assert invented_entities(f"{row.summary} {free.choice(['Paris', 'IBM'])}", row.document) >= 1
    assert swaps >= len(ROWS) - 1
    assert flips >= len(ROWS) - 1
    assert strangers == len(ROWS)
    assert alarms <= 3


FAULTS = ("wrong_speakers", "flipped_negations", "invented_entities")


def test_faults_that_people_wrote_are_caught():
    """Summaries written for the exact judge, before these checks were: right ones in other words raise no alarm."""
    flagged: dict[str, list[bool]] = {}
    for row in PARAPHRASES:
        pair = row["summary"], row["document"]
        check = flipped_negations if row["kind"] == "negation" else wrong_speakers
        flagged.setdefault(row["kind"], []).append(check(*pair)[0] > 0)
        if row["kind"] == "paraphrase":
            assert (wrong_speakers(*pair)[0], flipped_negations(*pair)[0]) == (0, 0), row["summary"]
    assert sum(flagged["wrong doer"]) == 16
    assert len(flagged["wrong doer"]) == 17
    for kind in ("speaker swap", "swap of deeds", "negation"):
        assert all(flagged[kind]), kind
