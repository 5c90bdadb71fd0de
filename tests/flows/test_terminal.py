"""Lines of stages that run side by side, and a sign of life of the silent ones."""

import pytest

from flows import terminal
from flows.terminal import Terminal


def test_lines_are_prefixed_and_dvcs_advice_is_left_out(capsys: pytest.CaptureFixture[str]):
    shown = Terminal()
    lines = [
        "Running stage 'align-pairs@dpo-0':",
        "> python -m tasks align",
        "align-dpo-0: step 5 of 9",
        "",
        "Updating lock file 'dvc.lock'",
        "\tgit add dvc.lock",
        "a warning",
    ]
    assert [shown.tell("align-pairs@dpo-0", line) for line in lines] == [None] * len(lines)
    assert capsys.readouterr().out == "[align-pairs@dpo-0] step 5 of 9\n[align-pairs@dpo-0] a warning\n"


def test_progress_is_given_back_and_not_shown(capsys: pytest.CaptureFixture[str]):
    shown = Terminal()
    assert shown.tell("sft", 'progress {"step": 3, "of": 9, "loss": 0.5}') == {
        "step": 3,
        "of": 9,
        "loss": 0.5,
    }
    assert shown.tell("sft", "progress report") is None
    assert shown.tell("sft", 'progress {"of": 9}') is None
    assert capsys.readouterr().out == ""


def test_a_silent_stage_shows_that_it_is_at_work(capsys, wait, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(terminal, "SILENCE_SECONDS", 0.1)
    shown, said = Terminal(), []

    def spoken() -> bool:
        said.append(capsys.readouterr().out)
        return "[sft] at work, 1 s, step 3 of 9\n" in "".join(said)

    with shown.at_work("sft"):
        shown.tell("sft", 'progress {"step": 3, "of": 9}')
        wait(spoken, 5)
