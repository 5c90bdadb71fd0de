"""A command line, its record's name, and what it is about."""

import pytest

from tasks.ledger.target import Target, of_command, parse
from tasks.refusal import Refusal


@pytest.mark.parametrize(
    ("words", "record", "trained"),
    [
        ("sft", "sft", (None, None)),
        ("reward --fold a", "reward-a", (None, None)),
        ("align --family pairs --branch dpo --seed 0", "align-dpo-0", ("dpo", 0)),
        ("evaluate --model dpo-0", "evaluate-dpo-0", ("dpo", 0)),
        ("evaluate --model sft", "evaluate-sft", (None, None)),
        ("method --family online --branch rloo", "method-rloo", ("rloo", None)),
        ("duel --by grader", "duel-grader", (None, None)),
    ],
)
def test_records(words: str, record: str, trained: tuple):
    target = parse(words.split())
    assert (target.record, target.trained) == (record, trained)
    assert of_command(f"exec python -m tasks {words}") == of_command(f"python -m tasks {words}") == target


def test_another_command_has_no_target():
    assert of_command("echo tasks") is None


@pytest.mark.parametrize(
    "words",
    ["", "sft --fold c", "align --seed one", "evaluate --model ../x", "duel --by a/b", "sft --wrong 1"],
)
def test_what_is_wrong_is_refused(words: str):
    with pytest.raises(Refusal, match="command line"):
        parse(words.split())


def test_given_are_the_arguments_that_run_may_ask_for():
    assert Target("align", branch="dpo", seed=0).given() == {"branch": "dpo", "seed": 0}
