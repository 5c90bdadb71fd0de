"""Which records of agreement are a judge's, and what a reader is warned of."""

import json
from pathlib import Path

import numpy as np
import pytest

from tasks.measures import trust
from tasks.measures.comparison import Bootstrap
from tasks.measures.duels import Duels
from tasks.refusal import Refusal

GOOD = {"mean": 0.8, "low": 0.7, "high": 0.9}
POOR = {"mean": 0.6, "low": -0.1, "high": 0.7}


def record(identity, **changed):
    given = {"judge": "grader", "identity": identity, "set": "people.jsonl", "pairs": 100, "flip_rate": 0.1}
    return given | dict.fromkeys(trust.TOLD[1:], GOOD) | changed


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trust.RECORDS.mkdir(parents=True)


def keep(name, given):
    (trust.RECORDS / f"{name}.json").write_text(json.dumps(given))


def judge(name="grader", agreement=(), against_exact=None, exempt=False):
    return {"name": name, "agreement": list(agreement), "against_exact": against_exact, "exempt": exempt}


def test_a_record_is_of_this_very_judge():
    keep("a", record("this"))
    keep("b", record("another rubric"))
    assert [found["set"] for found in trust.records("this")] == ["people.jsonl"]
    assert trust.records("this")[0].keys() == {"set", *trust.TOLD}
    assert trust.records("that") == []


@pytest.mark.parametrize("text", ["{", "[]", '{"identity": "this"}', '{"judge": "x"}'])
def test_a_file_that_is_no_record_is_refused(text):
    Path(trust.RECORDS / "a.json").write_text(text)
    with pytest.raises(Refusal, match=r"reports/agreement/a.json: is no record of agreement"):
        trust.records("this")


def test_a_judge_that_nobody_measured_is_a_warning():
    found = trust.alarms([judge("exact", exempt=True), judge("grader"), judge("reward")])
    assert [alarm["kind"] for alarm in found] == ["judge"]
    assert "grader, reward model (fold B)" in found[0]["text"]
    assert "exact" not in found[0]["text"]


def test_a_judge_that_was_measured_is_none():
    assert trust.alarms([judge(agreement=trust.records("this"))]) != []
    keep("a", record("this"))
    assert trust.alarms([judge(agreement=trust.records("this"))]) == []
    assert trust.alarms([judge(against_exact=record("this"))]) == []


def test_a_judge_that_is_no_better_than_the_longer_is_a_warning_even_where_another_set_liked_it():
    keep("a", record("this"))
    keep("b", record("this", set="news.jsonl", above_longer=POOR))
    text = trust.alarms([judge(agreement=trust.records("this"))])[0]["text"]
    assert text.startswith(
        "The judge grader agrees with people (news.jsonl) on 80.0%, 'prefer the longer' on 80.0%"
    )


def test_who_was_below_the_exact_judge_is_a_warning():
    measured = dict.fromkeys(trust.TOLD, GOOD) | {"above_longer": POOR}
    assert (
        "agrees with the exact judge on" in trust.alarms([judge("reward", against_exact=measured)])[0]["text"]
    )
    nothing = {"pairs": 0, **dict.fromkeys(trust.TOLD[1:])}
    assert "on no pair" in trust.alarms([judge("reward", against_exact=nothing)])[0]["text"]


def test_agreement_with_the_exact_judge_is_counted_over_all_pairs_and_seeds():
    """Two pairs of three prompts: the exact judge names a winner in four duels, the other the same in three."""

    def duels(name, judge, shares):
        return Duels("a", name, judge, np.array([shares], dtype=float), np.array([[1, -1, 1]]), 0, None, None)

    exact = [duels("b", "exact", [1, 0, 0.5]), duels("c", "exact", [0.5, 0, 1])]
    other = [duels("b", "reward", [1, 1, 0]), duels("c", "reward", [1, 0, 1])]
    found = trust.against(exact, other, Bootstrap(0.95, 1000, 0))
    assert found["pairs"] == 6
    assert found["agreement"]["mean"] == 0.75
    assert found["longer"]["mean"] == 1.0
    silent = [duels("b", "grader", [np.nan] * 3), duels("c", "grader", [np.nan, 0, 1])]
    assert trust.against(exact, silent, Bootstrap(0.95, 1000, 0))["pairs"] == 2


def test_who_learned_from_the_judge_itself_is_a_warning_in_both_languages():
    branches = [
        {"name": "rloo", "family": "online", "information": "the judge itself"},
        {"name": "zephyr", "family": "feedback", "information": "a teacher's scores"},
        {"name": "ddpo", "family": "feedback", "information": "a teacher's scores"},
        {"name": "dpo", "family": "pairs", "information": "pairs"},
    ]
    records = {"feedback-zephyr": {"teacher_is_judge": True}, "feedback-ddpo": {"teacher_is_judge": False}}
    found = trust.circular(branches, records)
    assert [(alarm["kind"], alarm["branch"]) for alarm in found] == [
        ("circular", "rloo"),
        ("circular", "zephyr"),
    ]
    assert found[0]["text"].startswith("rloo was rewarded in training by the judge itself")
    assert found[1]["text"].startswith("zephyr learned from pairs that the judge itself chose")
    assert found[1]["text_ko"].startswith("zephyr: 심판이 직접 고른 쌍으로 배웠습니다.")


def test_rounds_that_go_on_from_what_the_judge_taught_are_warned_of_too():
    branches = [
        {"name": "m1", "family": "taught", "information": "points", "settings": {}},
        {"name": "m2", "family": "iterated", "information": "own", "settings": {"after": "m1"}},
        {"name": "m3", "family": "iterated", "information": "own", "settings": {"after": "m2"}},
        {"name": "r2", "family": "iterated", "information": "own", "settings": {"after": "sft"}},
    ]
    found = trust.circular(branches, {"taught-m1": {"teacher_is_judge": True}})
    assert [alarm["branch"] for alarm in found] == ["m1", "m2", "m3"]
    assert all("learned to judge summaries from the judge itself" in alarm["text"] for alarm in found)
