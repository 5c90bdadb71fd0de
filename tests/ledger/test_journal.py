"""The curve is on disk at once, has each step once after a resumption, and never goes into an old file."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.ledger.journal import Journal


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("scratch").mkdir()


def steps(path: str = "reports/curves/sft.jsonl") -> list[int]:
    return [json.loads(line)["step"] for line in Path(path).read_text().splitlines()]


def test_a_line_is_on_disk_when_step_returns():
    journal = Journal("sft")
    journal.step(1, 2, loss=0.5)
    assert Path("reports/curves/sft.jsonl").read_text() == '{"step": 1, "loss": 0.5}\n'
    assert journal.curve() == [{"step": 1, "loss": 0.5}]


def test_progress_without_numbers_is_no_curve(capsys: pytest.CaptureFixture[str]):
    Journal("sample").step(3, 3)
    assert not Path("reports").exists()
    assert capsys.readouterr().out == 'progress {"step": 3, "of": 3}\nsample: step 3 of 3\n'


def test_progress_is_throttled_but_the_last_step_shows(capsys: pytest.CaptureFixture[str]):
    journal = Journal("sft")
    for step in range(1, 101):
        journal.step(step, 100, loss=1.0)
    said = capsys.readouterr().out
    assert said.count("progress ") == 2
    assert '"step": 100' in said
    assert len(steps()) == 100


def test_resumed_curve_has_each_step_once_though_dvc_deleted_it():
    killed = Journal("sft", Path("scratch"))
    for step in range(1, 8):
        killed.step(step, 10, loss=1 / step)
    Path("reports/curves/sft.jsonl").unlink()  # dvc, before it runs the stage again
    with Path("scratch/curve.jsonl").open("a") as cut:
        cut.write('{"step": 8, "lo')  # the kill
    resumed = Journal("sft", Path("scratch"))
    resumed.resume_from(5)
    for step in range(6, 11):
        resumed.step(step, 10, loss=1 / step)
    assert steps() == list(range(1, 11)) == steps("scratch/curve.jsonl")
    assert [line["step"] for line in resumed.curve()] == list(range(1, 11))


def test_a_new_training_keeps_nothing_of_an_older_one():
    Journal("sft", Path("scratch")).step(1, 2, loss=1.0)
    Journal("sft", Path("scratch")).step(1, 2, loss=2.0)
    assert steps() == [1]


def test_the_old_file_is_replaced_and_not_written_to():
    Journal("sft").step(1, 2, loss=1.0)
    os.link("reports/curves/sft.jsonl", "cached")  # what DVC's cache holds is the same file
    Journal("sft").step(1, 2, loss=2.0)
    assert Path("cached").read_text() == '{"step": 1, "loss": 1.0}\n'


def test_what_is_not_finite_is_null_and_said(capsys: pytest.CaptureFixture[str]):
    Journal("sft").step(1, 9, loss=math.nan, reward=math.inf)
    assert json.loads(Path("reports/curves/sft.jsonl").read_text()) == {
        "step": 1,
        "loss": None,
        "reward": None,
    }
    assert "at step 1 not finite: loss, reward" in capsys.readouterr().out


def test_a_closed_terminal_does_not_end_a_training():
    code = """
from tasks.ledger.journal import Journal
journal = Journal("sft")
for step in range(1, 4):
    journal.say("x" * 100000)
    journal.step(step, 3, loss=1.0)
"""
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    training = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment)
    assert training.stdout is not None
    training.stdout.close()
    assert training.wait(20) == 0
    assert steps() == [1, 2, 3]
