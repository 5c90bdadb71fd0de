"""A stage as a child: how it ended, and that it never outlives whoever started it."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from flows import stage_process
from flows.stage_process import RAN, RESTORED, UNCHANGED

LOG = Path(".state/logs/x.log")


@pytest.fixture(autouse=True)
def begin() -> None:
    stage_process.begin()


def test_ran_unchanged_and_restored_are_told_apart(project):
    lines: list[str] = []
    stage_process.run("first", lines.append, LOG)
    assert stage_process.run("branch@x", lines.append, LOG) == stage_process.Ending(0, RAN, "")
    assert "branch-x: written" in lines
    assert "branch-x: written" in LOG.read_text()
    assert stage_process.run("branch@x", lines.append, LOG).how == UNCHANGED
    project.set(seconds=0.1)
    assert stage_process.run("branch@x", lines.append, LOG).how == RAN
    project.set(seconds=0)
    assert stage_process.run("branch@x", lines.append, LOG).how == RESTORED


def test_a_stage_that_takes_too_long_is_stopped_and_says_so(project):
    stage_process.run("first", print, LOG)
    project.set(seconds=60)
    ending = stage_process.run("branch@x", print, LOG, seconds=1)
    assert ending.code != 0
    assert ending.reason == "stopped after 1 s, its timeout_seconds in dvc.yaml"
    assert not any("work.py" in words for words in project.alive())


def test_a_failure_says_why_in_one_line(project):
    project.set(seconds=0, fails="refused")
    stage_process.run("first", print, LOG)
    ending = stage_process.run("bad", print, LOG)
    assert ending.code != 0
    assert ending.reason == "pairs: too few; lower min_margin"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (
            ["Traceback (most recent call last):", "ValueError: no", "ERROR: failed to reproduce"],
            "ValueError: no",
        ),
        (["> python", "ERROR: 'out' is busy", "ERROR: failed"], "'out' is busy"),
        ([], "it said nothing"),
    ],
)
def test_reasons(lines: list[str], reason: str):
    assert stage_process._reason(lines) == reason


def slow(project) -> None:
    """`first` is done, branch@x takes a minute, dvc.lock stands."""
    project.set(seconds=60)
    stage_process.run("first", print, LOG)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_whatever_ends_the_call_ends_the_stage(project, wait, error: type[BaseException]):
    slow(project)
    lock = Path("dvc.lock").read_bytes()

    def told(line: str) -> None:
        if line.startswith("progress "):
            raise error

    with pytest.raises(error):
        stage_process.run("branch@x", told, LOG)
    wait(lambda: not any("work.py" in words or "dvc" in words for words in project.alive()), 5)
    assert Path("dvc.lock").read_bytes() == lock


def test_stop_all_ends_stages_of_other_threads_and_starts_no_more(project, wait):
    slow(project)
    at_work, ends = threading.Event(), []

    def work() -> None:
        try:
            stage_process.run("branch@x", lambda line: line.startswith("progress ") and at_work.set(), LOG)
        except InterruptedError as error:
            ends.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    assert at_work.wait(20)
    stage_process.stop_all()
    thread.join(20)
    assert ends == ["the flow is being stopped"]
    assert not any("work.py" in words for words in project.alive())
    with pytest.raises(InterruptedError):
        stage_process.run("branch@y", print, LOG)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG")
def test_a_killed_parent_leaves_nobody_behind(project, wait):
    slow(project)
    lock = Path("dvc.lock").read_bytes()
    code = "from pathlib import Path; from flows import stage_process; "
    code += "stage_process.run('branch@x', lambda line: print(line, flush=True), Path('log'))"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert any(line.startswith("progress ") for line in parent.stdout)
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    wait(lambda: not any("work.py" in words or "dvc" in words for words in project.alive()), 10)
    assert Path("dvc.lock").read_bytes() == lock


def test_stages_know_their_python_and_nothing_of_prefect(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PREFECT_API_KEY", "secret")
    environment = stage_process.environment()
    assert not [name for name in environment if name.startswith("PREFECT_")]
    assert environment["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
