"""Questions, sides, and a log that only grows: what a kill at any moment leaves is what goes on."""

import json

import pytest

from tasks.people import answers
from tasks.people.answers import Log
from tasks.people.questions import drawn
from tasks.refusal import Refusal


def test_an_order_and_sides_by_the_seed_which_more_questions_leave_as_they_are(ask):
    questions = [ask(number) for number in range(100)]
    whole = drawn(questions, 1, None)
    assert drawn(questions, 1, 10) == whole[:10]
    assert sorted(each.question.id for each in whole) == sorted(each.id for each in questions)
    assert [each.question for each in drawn(questions, 2, None)] != [each.question for each in whole]
    on_left = sum(each.a_is_left for each in whole)
    assert 35 < on_left < 65  # three deviations of 100 coins
    for each in whole:
        assert {each.left, each.right} == {each.question.a, each.question.b}
        assert each.verdict("left") == ("a" if each.left == each.question.a else "b")
        assert each.verdict("right") == ("a" if each.right == each.question.a else "b")
        assert (each.verdict("tie"), each.verdict("skip")) == ("tie", "skip")


def test_two_summaries_that_are_one_text_are_not_asked(ask, sit):
    sitting = sit([ask(0), ask(1, a="하나", b="하나"), ask(2)])
    assert sitting.total == 2
    assert {each.question.id for each in sitting.asked} == {"d0", "d2"}


def test_an_answer_has_the_model_not_the_side_and_the_seconds(ask, sit, tmp_path):
    now = iter((10.0, 12.5))
    sitting = sit([ask(0)], clock=lambda: next(now))
    placed = sitting.show()
    sitting.take(0, "left")
    [row] = answers.read(tmp_path / "answers/kim.jsonl")
    assert (row["verdict"], row["left"]) == (("a", "a") if placed.a_is_left else ("b", "b"))
    assert (row["seconds"], row["id"], row["rater"], row["models"]) == (2.5, "d0", "kim", ["dpo-0", "rloo-0"])


def test_a_second_start_goes_on_where_the_first_was(ask, sit):
    questions = [ask(number) for number in range(5)]
    first = sit(questions)
    for place, side in enumerate(("left", "tie", "skip")):
        first.take(place, side)
    again = sit(questions)
    assert again.place == 3
    assert again.show() == first.asked[3]


def test_undo_asks_again_and_reaches_back_beyond_the_start(ask, sit):
    questions = [ask(number) for number in range(3)]
    sit(questions).take(0, "left")
    again = sit(questions)
    again.take(1, "tie")
    again.take(2, "undo")
    assert again.place == 1
    again.take(1, "undo")
    assert again.place == 0
    assert not again.can_undo
    again.take(0, "undo")  # of nothing is nothing
    again.take(0, "right")
    assert sit(questions).place == 1


def test_a_key_pressed_twice_answers_once(ask, sit):
    sitting = sit([ask(0), ask(1)])
    sitting.take(0, "left")
    sitting.take(0, "left")
    sitting.take(7, "left")
    assert (sitting.place, len(sitting.log.standing)) == (1, 1)


def test_at_the_end_there_is_nothing_to_show_or_to_answer_but_to_undo(ask, sit):
    sitting = sit([ask(0)])
    sitting.take(0, "left")
    assert sitting.show() is None
    sitting.take(1, "left")
    assert len(sitting.log.standing) == 1
    sitting.take(1, "undo")
    assert sitting.place == 0


def test_a_model_that_writes_another_text_is_asked_about_again(ask, sit):
    sit([ask(0)]).take(0, "left")
    assert sit([ask(0, a="다른 글")]).place == 0
    assert sit([ask(0)]).place == 1


def test_a_line_that_a_kill_cut_short_is_dropped_and_the_next_stands_on_its_own(ask, sit, tmp_path):
    questions = [ask(number) for number in range(3)]
    first = sit(questions)
    first.take(0, "left")
    path = tmp_path / "answers/kim.jsonl"
    first.take(1, "left")
    path.write_bytes(path.read_bytes()[:-1])  # the shortest cut: the line is whole but for its end
    again = sit(questions)
    assert again.place == 1
    again.take(1, "tie")
    rows = answers.read(path)
    assert [row["verdict"] for row in rows][1] == "tie"
    assert len(rows) == 2


def test_every_answer_is_on_disk_before_take_returns(ask, sit, tmp_path, monkeypatch):
    sitting, synced = sit([ask(0)]), []
    monkeypatch.setattr(
        "os.fsync", lambda handle: synced.append((tmp_path / "answers/kim.jsonl").read_bytes())
    )
    sitting.take(0, "left")
    assert len(synced) == 1
    assert json.loads(synced[0])["id"] == "d0"


def test_a_second_program_on_one_log_is_refused(ask, sit, tmp_path):
    sit([ask(0)])
    with pytest.raises(Refusal, match="another `rate` is writing to it; go on there"):
        Log(tmp_path / "answers/kim.jsonl")


@pytest.mark.parametrize("line", ["{", "[]", '{"question": "x"}', "\xff"])
def test_a_line_that_is_no_answer_is_refused_by_its_number(line, ask, sit, tmp_path):
    sit([ask(0)]).take(0, "left")
    path = tmp_path / "answers/kim.jsonl"
    path.write_bytes(path.read_bytes() + line.encode("latin-1") + b"\n")
    with pytest.raises(Refusal, match=r"kim\.jsonl:2: is n"):
        answers.read(path)


def test_answers_of_two_seeds_are_refused(tmp_path):
    path = tmp_path / "answers/kim.jsonl"
    both = {str(place): {"seed": place} for place in (0, 1)}
    with pytest.raises(Refusal, match=r"seeds \[0, 1\]"):
        answers.seed_of(both, path)
    assert answers.seed_of({}, path) is None
