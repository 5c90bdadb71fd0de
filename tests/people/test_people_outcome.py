"""What answers come to, by hand."""

import json

import pytest

from tasks.corpus.preferences import own_rows
from tasks.measures import sequential
from tasks.people.outcome import Rater, preferences, rated, sides, win_rate
from tasks.people.questions import drawn
from tasks.refusal import Refusal

ALPHA = 0.05


def rater(name, questions, verdicts, seed=0):
    """Verdicts by the number of the question; the left side was `a`'s."""
    told = {
        questions[number].key: {"verdict": verdict, "left": "a", "seed": seed}
        for number, verdict in verdicts.items()
    }
    return Rater(name, seed if told else None, told)


@pytest.fixture
def questions(ask):
    return [ask(number) for number in range(4)]


def test_a_win_rate_counts_a_tie_as_half_and_leaves_out_what_was_skipped(questions):
    kim = rater("kim", questions, {0: "a", 1: "tie", 2: "b", 3: "skip"})
    found = win_rate(questions, [kim], ALPHA)
    assert found.interval.mean == pytest.approx((1 + 0.5 + 0) / 3)
    assert found.interval.low < 0.5 < found.interval.high
    assert (found.counts["a"], found.counts["tie"], found.counts["b"], found.counts["skip"]) == (1, 1, 1, 1)


def test_raters_of_a_prompt_are_averaged_first(questions):
    kim = rater("kim", questions, {0: "a", 1: "a", 2: "a"})
    lee = rater("lee", questions, {0: "b", 3: "b"})
    nobody = rater("nobody", questions, {})
    found = win_rate(questions, [nobody, kim, lee], ALPHA)
    assert found.interval.mean == pytest.approx((0.5 + 1 + 1 + 0) / 4)


def test_one_text_from_both_is_a_tie_as_far_as_the_rater_came(ask):
    questions = [ask(number, **({} if number % 2 else {"b": f"가 {number}"})) for number in range(40)]
    order = [placed.question for placed in drawn(questions, 0, None)]
    asked = [question for question in order if not question.is_tie]
    answered = {questions.index(question): "a" for question in asked[:5]}
    passed = sum(question.is_tie for question in order[: order.index(asked[4])])
    found = win_rate(questions, [rater("kim", questions, answered)], ALPHA)
    assert 0 < passed < 20
    assert found.counts["one_text"] == passed
    assert found.interval.mean == pytest.approx((5 + 0.5 * passed) / (5 + passed))


def test_the_interval_is_the_one_that_holds_at_all_looks(ask):
    questions = [ask(number) for number in range(30)]
    verdicts = {number: "a" if number % 3 else "b" for number in range(30)}
    order = [questions.index(placed.question) for placed in drawn(questions, 5, None)]
    scores = [1.0 if verdicts[number] == "a" else -1.0 for number in order]
    low, high = sequential.interval(scores, ALPHA)[1:]
    found = win_rate(questions, [rater("kim", questions, verdicts, seed=5)], ALPHA).interval
    assert found == pytest.approx((20 / 30, (1 + low) / 2, (1 + high) / 2))


def test_nothing_but_skipped_is_no_rate(questions):
    assert win_rate(questions, [rater("kim", questions, {0: "skip"})], ALPHA).interval is None


def test_answers_to_texts_that_are_no_more_count_nowhere(questions, ask):
    old = [ask(number, a="前") for number in range(4)]
    kim = rater("kim", old, {0: "a"})
    assert win_rate(questions, [kim], ALPHA).interval is None
    assert rated(questions, [kim]) == []
    assert sides(questions, [kim]) == (0, 0)


def test_a_rated_set_has_a_row_a_verdict(ask):
    questions = [ask(0, reference="참조"), ask(1, a="")]
    kim, lee = rater("kim", questions, {0: "a", 1: "tie"}), rater("lee", questions, {0: "skip", 1: "b"})
    shared = {"id": "d1", "document": "문서 1", "summary_a": "", "summary_b": "나 1"}
    assert rated(questions, [kim, lee]) == [
        {
            **{"id": "d0", "document": "문서 0", "summary_a": "가 0", "summary_b": "나 0"},
            **{"preference": "a", "rater": "kim", "reference": "참조"},
        },
        shared | {"preference": "tie", "rater": "kim"},
        shared | {"preference": "b", "rater": "lee"},
    ]


def test_a_rated_set_is_no_food_for_the_stage_pairs(questions, tmp_path):
    path = tmp_path / "rated.jsonl"
    path.write_text("\n".join(map(json.dumps, rated(questions, [rater("kim", questions, {0: "a", 1: "b"})]))))
    with pytest.raises(Refusal, match=r"holds no usable preference row \(\{'empty': 2\}\)"):
        own_rows(path, str)


def test_a_preference_row_is_what_most_raters_chose(questions):
    raters = [
        rater("kim", questions, {0: "a", 1: "b", 2: "tie", 3: "a"}),
        rater("lee", questions, {0: "a", 1: "tie", 3: "b"}),
        rater("choi", questions, {0: "b"}),
    ]
    assert preferences(questions, raters, "<{}>".format) == [
        {"prompt": "<문서 0>", "chosen": "가 0", "rejected": "나 0"},
        {"prompt": "<문서 1>", "chosen": "나 1", "rejected": "가 1"},
    ]


def test_how_often_the_left_side_was_chosen(questions):
    assert sides(questions, [rater("kim", questions, {0: "a", 1: "a", 2: "b", 3: "tie"})]) == (2, 3)
