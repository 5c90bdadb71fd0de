"""Rounds in the report: one row a branch; warnings where a judge was replaced, nothing learned, or answers grow."""

import json

import pytest

from tasks.measures import rounds_told
from tasks.measures.language import KOREAN, speaking

ACCURACY = {"accuracy": 0.6, "deviation": 0.04, "pairs": 100, "tied": 20, "unreadable": 3}


def seed(**changed):
    told = {"judge": "self", "rows": 90, "accuracy": ACCURACY, "readable": 99, "unreadable": 1}
    told |= {"dropped": {"tied": 4}, "mean_characters": 50.0}
    told |= {"told": {"mean_characters_chosen": 51.0, "mean_characters_rejected": 48.0}}
    return told | changed


def round_of(*seeds, after="sft", number=1, asked="self"):
    given = {"branch": "b", "after": after, "round": number, "asked": asked, "documents": 100, "bar": 0.55}
    return given | {"seeds": {str(place): one for place, one in enumerate(seeds)}}


def test_a_row_says_who_judged_and_what_was_kept():
    table = rounds_told.table(
        {"rounds": {"m2": round_of(seed(), seed(rows=80, accuracy=ACCURACY | {"accuracy": 0.55}))}}
    )
    (row,) = table.rows
    assert row == [
        *(
            "m2",
            "1",
            "sft",
            "the model itself",
            "60.0%, 55.0%",
            "1.0%",
            "85 / 100",
            "4.0",
            "50.0",
            "51.0",
            "48.0",
        )
    ]
    assert len(row) == len(table.header)


def test_a_row_of_positives_and_of_an_external_judge_has_gaps():
    one = seed(judge="reward", accuracy=None, readable=0, unreadable=0, dropped={}, told={})
    (row,) = rounds_told.table({"rounds": {"m2": round_of(one, asked="reward")}}).rows
    assert row[3:6] == ["the reward model", "-", "-"]
    assert row[7] == row[9] == row[10] == "-"


def test_a_replaced_judge_and_an_empty_round_are_warned_of():
    rounds = {"m2": round_of(seed(), seed(judge="reward"), seed(rows=0))}
    found = rounds_told.alarms(rounds)
    assert [alarm["branch"] for alarm in found] == ["m2", "m2"]
    assert "in 1 of 3 seeds the model was no better a judge" in found[0]["text"]
    assert "in 1 of 3 seeds no row was left" in found[1]["text"]
    assert "보상 모델이 판정했습니다" in found[0]["text_ko"]


@pytest.mark.parametrize(("length", "warned"), [(54.9, False), (55.0, True), (80.0, True)])
def test_answers_that_grow_by_a_tenth_are_warned_of(length, warned):
    rounds = {"m2": round_of(seed()), "m3": round_of(seed(mean_characters=length), after="m2", number=2)}
    assert bool(rounds_told.alarms(rounds)) == warned


def test_an_asked_for_reward_model_is_no_replacement():
    assert rounds_told.alarms({"r": round_of(seed(judge="reward"), asked="reward")}) == []


def test_the_section_is_there_where_there_are_rounds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not next(rounds_told.section({}, None)).blocks
    rounds_told.FOLDER.mkdir(parents=True)
    (rounds_told.FOLDER / "m2.json").write_text(json.dumps(round_of(seed())))
    branches = [{"name": "m2", "family": "iterated"}, {"name": "dpo", "family": "pairs"}]
    found = {"rounds": rounds_told.read(branches)}
    assert list(found["rounds"]) == ["m2"]
    with speaking(KOREAN):
        assert next(rounds_told.section(found, None)).blocks[0].title == "회차: 무엇으로 학습했는가"
