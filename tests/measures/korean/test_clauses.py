"""The reading of clauses: predicates, negations, objects, and who is said to act."""

from __future__ import annotations

import pytest

from tasks.measures.korean.clauses import SELF, WHO, YOU, clauses
from tasks.measures.korean.speakers import mentions, speakers

NAMES = frozenset({"민수", "지수", "하준", "아린"})


def read(text: str, names: frozenset[str] = NAMES) -> list[tuple]:
    return [
        (clause.lemma, clause.negated, set(clause.nouns), clause.actors) for clause in clauses(text, names)
    ]


@pytest.mark.parametrize(
    ("text", "lemma"),
    [
        ("표를 예매하지 않기로 했다.", "예매"),
        ("표를 예매하지는 않았다.", "예매"),
        ("표를 예매하지 못했다.", "예매"),
        ("표를 안 샀다.", "사"),
        ("표를 살 수 없다.", "사"),
        ("표를 사면 안 된다.", "사"),
        ("표를 살 생각이 없다.", "사"),
        ("표가 없다.", "있"),
        ("표를 사지 못하게 됐다.", "사"),
    ],
)
def test_a_negation_is_of_its_predicate(text, lemma):
    assert [found[:2] for found in read(text)] == [(lemma, True)]


@pytest.mark.parametrize(
    "text",
    [
        "표를 예매하기로 했다.",
        "표를 샀다.",
        "표를 살 수 있다.",
        "표가 있다.",
        "표를 사지 않을 수 없다.",
        "표를 살 예정이다.",
    ],
)
def test_no_negation_and_two_of_them_affirm(text):
    assert [found[1] for found in read(text)] == [False]


def test_a_ground_is_a_clause_of_its_own():
    found = read("민수가 감기에 걸려서 안 간다.")
    assert [each[:2] for each in found] == [("걸리", False), ("가", True)]
    assert found[1][3] == ()  # who does not go is not said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("민수는 표를 사고 자리를 예약한다.", [("사", {"표"}, ("민수",)), ("예약", {"자리"}, ("민수",))]),
        (
            "간식은 하준이, 음료는 지수가 맡기로 했다.",
            [("맡", {"간식"}, ("하준",)), ("맡", {"음료"}, ("지수",))],
        ),
        ("민수와 지수는 영화를 본다.", [("보", {"영화"}, ("민수", "지수"))]),
        ("표는 민수 담당입니다.", [("담당", {"표"}, ("민수",))]),
        ("회의가 취소됐다.", [("취소", {"회의"}, ())]),
        ("아린이 자료를 준비한다.", [("준비", {"자료"}, ("아린",))]),  # Kiwi alone reads 아린 as an adjective
    ],
)
def test_who_acts_on_what(text, expected):
    assert [(lemma, nouns, actors) for lemma, _, nouns, actors in read(text)] == expected


def test_an_ending_that_is_one_sound_with_its_stem_ends_a_clause_too():
    """Kiwi gives 나 without 어: the 없 behind it is of 우산."""
    found = read("민수가 배탈이 나 월요일 성수동 우산 대여는 없던 일이 됐다.")
    assert [each[:2] for each in found][:2] == [("나", False), ("있", True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("민수는 술을 마시지 말라고 했다.", [("마시", True, {"술"}, ())]),
        ("민수는 지수에게 표를 사라고 한다.", [("사", False, {"표"}, ())]),
        ("민수는 지수에게 표를 사 달라고 했다.", [("사", False, {"표"}, ())]),
        ("민수는 표를 산다고 했다.", [("사", False, {"표"}, ("민수",))]),
        ("민수는 표를 살 거라고 했다.", [("사", False, {"표"}, ("민수",))]),
    ],
)
def test_who_tells_somebody_to_does_not_act(text, expected):
    assert read(text) == expected


def test_a_thing_is_not_every_thing():
    assert read("매운 것을 못 먹는다.")[-1] == ("먹", True, {"것"}, ())


def test_pronouns_calls_and_marks():
    mine, yours, whose, called = clauses("제가 살게요. 네가 살래? 누가 살까? 지수야, 표 좀 사 줄래?", NAMES)
    assert (mine.person, yours.person, whose.person, called.person) == (SELF, YOU, WHO, "")
    assert (called.called, called.nouns, called.marks) == ("지수", {"표"}, {"주", "?"})


def test_a_text_without_korean_predicates_has_no_clause():
    assert not any(clause.lemma for clause in clauses("The dog ran home. 😀", NAMES))
    assert clauses("", NAMES) == ()


def test_speakers_are_those_of_dialogues():
    assert speakers("민수: 안녕\n지수: 응\n\n민수: 가자") == ("민수", "지수", "", "민수")
    assert speakers("#Person1#: 안녕\n#Person2#: 응") == ("#Person1#", "#Person2#")
    assert speakers("회의가 열렸다.\n장소: 강남") == ()


def test_tags_are_told_apart_behind_one_placeholder():
    names = frozenset({"#Person1#", "#Person2#"})
    found = mentions("#Person1#은 #Person2#에게 책을 준다.", names)
    assert [(each.name, each.role) for each in found] == [("#Person1#", "topic"), ("#Person2#", "other")]
    assert read("#Person2#가 책을 산다.", names)[0][3] == ("#Person2#",)


def test_a_name_inside_another_word_is_nobody():
    assert mentions("아린이집은 민수네와 수지수에 있다.", NAMES) == []
