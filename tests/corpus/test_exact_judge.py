"""The exact judge by hand, on random rows, on garbage, and against human scores.

The human scores in paraphrases.jsonl were written before the judge saw the summaries, on this scale:
1.0 all that matters told and true; 0.9 written oddly, or left out that the plan had changed;
0.8 who does what left out; 0.6 to 0.65 one thing false; 0.35 to 0.5 two;
0.2 a plan that fell through told as holding or the reverse; 0 nothing that helps.
Each `batch` was measured blind first (mean absolute error 0.087, 0.086 and 0.066 in turn); then the judge
was mended where it had plainly misread Korean, so the figure of today is fitted.
"""

import json
import random
import re
import statistics
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.corpus.dialogues import generate
from tasks.corpus.exact_judge import Verdict, judge
from tasks.corpus.korean import Word, particle
from tasks.corpus.matters import lexicon

ROWS = generate(21, 600)
LINES = Path(__file__).with_name("paraphrases.jsonl").read_text(encoding="utf-8").splitlines()
PARAPHRASES = [json.loads(line) for line in LINES]
ROLE = {"kind": "deed", "verb": "예매", "object": "표", "doer": "지영", "to": ""}
PLAN = {
    "matter": "appointment",
    "outcome": "agreed",
    "slots": {"day": "토요일", "time": "오후 3시", "place": "강남역", "item": "영화"},
    "extra": {},
    "old": {},
    "rejected": {"time": ["오후 1시"]},
    "roles": [ROLE],
    "people": ["민수", "지영"],
    "speakers": ["민수", "지영"],
    "mentioned": {
        "name": ["민수", "지영"],
        "day": ["토요일", "일요일"],
        "time": ["오후 1시", "오후 3시", "오전 9시"],
        "place": ["강남역", "부산"],
        "item": ["영화"],
    },
}
MOVED = {**PLAN, "outcome": "changed", "old": {"time": "오후 2시"}}
MOVED["mentioned"] = {**PLAN["mentioned"], "time": ["오후 2시", "오후 3시"]}
REASON = {"kind": "reason", "verb": "", "object": "감기", "doer": "민수", "to": ""}
REFUND = {**ROLE, "verb": "신청", "object": "환불"}
FELL_THROUGH = {
    **PLAN,
    "outcome": "cancelled",
    "slots": {"day": "토요일", "item": "영화"},
    "extra": {"time": "오후 3시", "place": "강남역"},
    "roles": [REFUND, REASON],
}
FELL_THROUGH["mentioned"] = {**PLAN["mentioned"], "reason": ["감기"]}
CLOSED = {"은": "은", "는": "은", "이": "이", "가": "이", "과": "과", "와": "과"}
RIGHT = "민수와 지영은 토요일 오후 3시에 강남역에서 영화를 보기로 했고, 표는 지영이 예매하기로 했다."


def total(summary: str, facts=PLAN) -> float:
    return judge(summary, facts).total


@pytest.mark.parametrize(
    "summary",
    [
        RIGHT,
        "민수는 지영과 토요일 오후 세 시 강남역에서 만나 영화를 보기로 했으며 표 예매는 지영이 맡는다.",
        "지영이 표를 예매하고, 민수와 지영이 토요일 15시에 강남역에서 영화를 보기로 했다.",
        "토요일 3시 강남역에서 영화를 보기로 한 민수와 지영은 지영이 표를 예매하기로 했다.",
        "민수와 지영은 오후 1시 대신 토요일 오후 3시에 강남역에서 영화를 보고, 지영이가 표를 끊기로 했다.",
        "민수와 지영은 토요일 오후 3시 강남역 영화 약속을 취소하지 않기로 했고, 표는 지영이 예매한다.",
    ],
)
def test_a_right_summary_in_any_wording_gets_one(summary):
    assert total(summary) == 1.0


@pytest.mark.parametrize(
    ("name", "summary"),
    [
        ("speaker swap", RIGHT.replace("표는 지영이", "표는 민수가")),
        ("wrong hour", RIGHT.replace("오후 3시", "오후 1시")),
        ("hour nobody named", RIGHT.replace("오후 3시", "오후 7시")),
        ("half of the day", RIGHT.replace("오후 3시", "오전 3시")),
        ("wrong day", RIGHT.replace("토요일", "일요일")),
        ("wrong place", RIGHT.replace("강남역", "부산")),
        ("both hours as if both held", RIGHT.replace("오후 3시", "오후 1시, 오후 3시")),
        ("negated plan", RIGHT.replace("보기로", "보지 않기로")),
        (
            "plan not made",
            "민수와 지영은 토요일 오후 3시에 강남역에 안 가기로 했고, 표는 지영이 예매하기로 했다.",
        ),
        (
            "cancelled",
            "민수와 지영은 토요일 오후 3시 강남역 영화 약속을 취소했고, 표는 지영이 예매하기로 했다.",
        ),
        ("negated deed", RIGHT.replace("예매하기로", "예매하지 않기로")),
        ("stranger", RIGHT.replace("민수와", "서준과")),
    ],
)
def test_each_error_costs_clearly(name, summary):
    assert total(summary) <= 0.75


def test_a_false_outcome_costs_more_than_a_wrong_hour():
    wrong_hour = RIGHT.replace("오후 3시", "오후 1시")
    assert total(RIGHT.replace("보기로", "보지 않기로")) < total(wrong_hour) < total(RIGHT)


def test_leaving_out_costs_less_than_telling_wrong():
    without = RIGHT.replace("오후 3시에 ", "")
    assert total(RIGHT.replace("오후 3시", "오후 1시")) < total(without) < 1.0


def test_value_by_hand():
    """Seven units: four slots, one deed, two for the outcome; a wrong hour loses one and is charged one."""
    verdict = judge(RIGHT.replace("오후 3시", "오후 1시"), PLAN)
    assert verdict == Verdict(6 / 7, 1 / 7, 0.0, 0.0, 1.0, 1.0, pytest.approx(5 / 7))
    swapped = judge(RIGHT.replace("표는 지영이", "표는 민수가"), PLAN)
    assert swapped == Verdict(6 / 7, 0.0, 0.0, 1 / 7, 1.0, 1.0, pytest.approx(5 / 7))
    invented = judge(RIGHT.replace("오후 3시", "오후 7시"), PLAN)
    assert invented == Verdict(6 / 7, 0.0, 1 / 7, 0.0, 1.0, 1.0, pytest.approx(5 / 7))


def test_a_change_is_told_from_to():
    right = (
        "민수와 지영은 토요일 강남역 영화 약속 시간을 오후 2시에서 오후 3시로 바꿨고, 표는 지영이 예매한다."
    )
    reverse = (
        "민수와 지영은 토요일 강남역 영화 약속 시간을 오후 3시에서 오후 2시로 바꿨고, 표는 지영이 예매한다."
    )
    assert total(right, MOVED) == 1.0
    assert total(right.replace("오후 2시에서", "원래 오후 2시에서"), MOVED) == 1.0
    assert total(RIGHT, MOVED) == pytest.approx(6 / 7)  # the plan is right, the change is left out
    assert total(reverse, MOVED) <= 0.6
    assert total(RIGHT.replace("오후 3시", "오후 2시"), MOVED) <= 0.6
    assert total(RIGHT.replace("오후 3시에", "오후 2시와 오후 3시에"), MOVED) <= 0.75
    assert total(right.replace("바꿨고", "바꾸지 않기로 했고"), MOVED) <= 0.6


def test_a_plan_that_fell_through():
    right = "민수가 감기에 걸려 토요일 영화 약속은 취소됐고, 환불은 지영이 신청하기로 했다."
    assert total(right, FELL_THROUGH) == 1.0
    assert total("민수의 감기로 토요일 영화 약속이 무산됐다. 지영이 환불을 신청한다.", FELL_THROUGH) == 1.0
    assert (
        total("민수의 감기 때문에 토요일에 영화를 보지 않기로 했고 지영이 환불을 신청한다.", FELL_THROUGH)
        == 1.0
    )
    assert total(right.replace("취소됐고", "취소되지 않았고"), FELL_THROUGH) <= 0.5
    assert total(right.replace("민수가 감기", "지영이 감기"), FELL_THROUGH) <= 0.75
    assert total(RIGHT, FELL_THROUGH) <= 0.2


def test_who_lends_to_whom():
    row = next(row for row in ROWS if row.matter == "loan" and row.facts["outcome"] == "agreed")
    slots, deed = row.facts["slots"], row.facts["roles"][0]
    giver, receiver = row.facts["roles"][1]["doer"], row.facts["roles"][1]["to"]
    rest = f"{slots['day']} {slots['place']}에서 {slots['item']}{particle(slots['item'], '을')}"
    told = f"{Word(deed['object']):은} {Word(deed['doer']):이} 맡았다."
    lends = "{0}{1} {2}에게 {3} 빌려주기로 했고, {4}"
    borrows = "{0}{1} {2}에게서 {3} 빌리기로 했고, {4}"
    assert total(lends.format(giver, particle(giver, "이"), receiver, rest, told), row.facts) == 1.0
    assert total(borrows.format(receiver, particle(receiver, "은"), giver, rest, told), row.facts) == 1.0
    assert total(lends.format(receiver, particle(receiver, "이"), giver, rest, told), row.facts) <= 0.75
    assert total(borrows.format(giver, particle(giver, "은"), receiver, rest, told), row.facts) <= 0.75


@pytest.mark.parametrize("empty", ["", " ", "\n\n", ".", "...", "\u200b"])
def test_empty_is_zero(empty):
    assert total(empty) == 0.0


def _keywords(row):
    roles = [word for role in row.facts["roles"] for word in (role["object"], role["doer"]) if word]
    return [*row.facts["slots"].values(), *roles]


UNWORTHY = {
    "copied dialogue": (0.2, lambda row: row.document),
    "copied end": (0.3, lambda row: " ".join(text for _, text in row.turns)[-80:]),
    "keyword list": (0.3, lambda row: ", ".join(_keywords(row))),
    "keywords without commas": (0.3, lambda row: " ".join(_keywords(row)) + " 하기로 했다."),
    "labelled dump": (0.3, lambda row: ", ".join(f"{k}: {v}" for k, v in row.facts["slots"].items())),
    "sentence for each fact": (0.3, lambda row: " ".join(f"{word}이다." for word in _keywords(row))),
    "talk about the facts": (0.3, lambda row: ", ".join(_keywords(row)) + "에 대해 이야기했다."),
    "twice the reference": (0.5, lambda row: f"{row.summary} {row.summary}"),
    "stutter": (0.6, lambda row: row.summary[:-1] + " 했다 했다 했다."),
    "rambling": (
        0.8,
        lambda row: row.summary + " 두 사람은 서로 고마워하며 앞으로도 자주 연락하고 지내자고 다짐했다." * 2,
    ),
}


@pytest.mark.parametrize("name", UNWORTHY)
def test_what_is_no_summary_scores_low(name):
    bound, make = UNWORTHY[name]
    assert max(total(make(row), row.facts) for row in ROWS) <= bound


def test_another_rows_reference_is_worth_nothing():
    others = [ROWS[(index + 7) % len(ROWS)] for index in range(len(ROWS))]
    assert (
        statistics.mean(total(other.summary, row.facts) for row, other in zip(ROWS, others, strict=True))
        < 0.05
    )


def test_a_wrong_value_in_a_reference_always_costs():
    rng = random.Random(0)
    for row in ROWS:
        slots = [slot for slot in row.facts["slots"] if slot in ("day", "time")]
        if not slots:
            continue
        slot = rng.choice(slots)
        value = row.facts["slots"][slot]
        pool = lexicon.WEEKDAYS if slot == "day" else lexicon.MORNING
        other = rng.choice([word for word in pool if word != value])
        wrong = re.sub(rf"{value}(?! 반)", other, row.summary)
        if wrong != row.summary:
            assert total(wrong, row.facts) <= 0.75, wrong


def test_swapped_doers_in_a_reference_always_cost():
    for row in ROWS:
        doers = [role["doer"] for role in row.facts["roles"] if role["kind"] == "deed"]
        a, b = row.facts["speakers"][:2]
        if len(row.facts["speakers"]) > 2 or doers[0] not in (a, b):
            continue

        def swap(match: re.Match[str], a: str = a, b: str = b) -> str:
            name = b if match[1] == a else a
            return name + (particle(name, CLOSED[match[2]]) if match[2] else "")

        swapped = re.sub(rf"({a}|{b})(은|는|이|가|과|와)?(?![가-힣])", swap, row.summary)
        assert total(swapped, row.facts) <= 0.75, swapped


@given(st.text(max_size=400))
def test_any_text_gets_a_finite_score(text):
    _check_bounds(judge(text, PLAN))


PIECES = [
    *RIGHT.split(),
    "오후",
    "반",
    "에서",
    "대신",
    "취소",
    "바꾸지",
    "않기로",
    "민수:",
    ",",
    ".",
    "\n",
    "지영의",
    "각각",
]


@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_any_shuffle_of_its_own_words_gets_a_finite_score(pieces):
    text = " ".join(pieces)
    for facts in (PLAN, MOVED, FELL_THROUGH):
        _check_bounds(judge(text, facts))
        assert judge(text, facts) == judge(text, facts)


def _check_bounds(verdict: Verdict) -> None:
    parts = vars(verdict).values()
    assert all(0.0 <= part <= 1.0 for part in parts), verdict


def test_facts_survive_json():
    for row in ROWS[:100]:
        assert judge(row.summary, json.loads(json.dumps(row.facts))).total == 1.0


def test_a_summary_takes_less_than_a_few_milliseconds():
    judge(RIGHT, PLAN)
    start = time.process_time()
    for row in ROWS:
        judge(row.summary, row.facts)
    assert (time.process_time() - start) / len(ROWS) < 0.003  # about 0.0003 when the machine is free


def test_error_against_human_scores(record_property):
    """Mean absolute error over all paraphrases, and over those that are right in other words."""
    errors = [(row["kind"], judge(row["summary"], row["facts"]).total - row["human"]) for row in PARAPHRASES]
    mean = statistics.mean(abs(error) for _, error in errors)
    of_right = statistics.mean(abs(error) for kind, error in errors if kind == "paraphrase")
    bias = statistics.mean(error for _, error in errors)
    print(f"{len(errors)} paraphrases: mean error {mean:.3f}, bias {bias:+.3f}, right ones {of_right:.3f}")
    record_property("judge_error", mean)
    assert len(PARAPHRASES) >= 100
    assert mean <= 0.07
    assert of_right <= 0.03
    assert abs(bias) <= 0.03


def test_ranks_as_humans_do():
    """Of two summaries of one dialogue, 0.15 apart for humans, the judge puts the better first."""
    scored = [
        (row["document"], row["human"], judge(row["summary"], row["facts"]).total) for row in PARAPHRASES
    ]
    pairs = [
        (one[2], two[2]) for one in scored for two in scored if one[0] == two[0] and one[1] - two[1] >= 0.15
    ]
    assert len(pairs) > 100
    assert sum(better > worse for better, worse in pairs) / len(pairs) >= 0.95
