"""The stage protocol from outside: what `python -m tasks STAGE` writes, refuses, and leaves after a kill."""

import errno
import importlib
import json
import os
import re
import shutil
import signal
import sqlite3
import sys
import time
from pathlib import Path

import pytest

STAGE = (sys.executable, "-m", "tasks", "toy")


def curve(project) -> list[int]:
    lines = (project.folder / "reports/curves/toy.jsonl").read_text().splitlines()
    return [json.loads(line)["step"] for line in lines]


def alive(project) -> list[str]:
    """Command lines of the processes that work in the project."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdecimal() and (process / "cwd").readlink() == project.folder:
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def test_a_stage_writes_metrics_curve_and_costs(project):
    done = project.toy()
    assert done.returncode == 0, done.stderr
    reports = project.folder / "reports"
    expected = {"first": 0, "kind": "train", "loss": 1 / 40, "nothing": None}
    assert (reports / "metrics/toy.json").read_text() == json.dumps(expected, indent=2) + "\n"
    assert curve(project) == list(range(1, 41))
    assert 'progress {"step": 40, "of": 40, "loss": 0.025}' in done.stdout
    costs = json.loads((project.folder / ".state/costs/toy.json").read_text())
    assert {"seconds", "peak_memory_bytes", "tokens", "device"} <= costs.keys()
    assert list((project.folder / ".state/scratch").iterdir()) == []


def test_a_stage_that_did_not_train_leaves_the_empty_curve_that_dvc_expects(project):
    curve = project.folder / "reports/curves/still.jsonl"
    curve.parent.mkdir(parents=True)
    curve.write_text('{"step": 1}\n')
    done = project.do(sys.executable, "-m", "tasks", "still")
    assert done.returncode == 0, done.stderr
    assert curve.read_text() == ""
    assert not (project.folder / "reports/metrics").exists(), "dvc.yaml has no such output of it"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("toi",), "command line: there is no stage 'toi'; did you mean 'toy'?"),
        (("toy", "--fold", "z"), r"command line: argument --fold: invalid choice: 'z'"),
        (("table",), "there is no comparison yet"),
    ],
)
def test_a_refusal_is_one_line_and_exit_code_2(project, words: tuple[str, ...], said: str):
    (project.folder / "tasks/compare.py").write_text(
        'from pathlib import Path\nJSON = Path("reports/comparison.json")\n'
    )
    done = project.do(sys.executable, "-m", "tasks", *words)
    assert done.returncode == 2
    assert re.fullmatch(f"gallim: .*{re.escape(said)}.*\n", done.stderr), done.stderr


def test_an_unknown_parameter_is_refused_before_anything_runs(project):
    params = project.folder / "params.yaml"
    params.write_text(params.read_text().replace("neftune_noise_alpha", "neftune_noise_alfa"))
    done = project.toy()
    assert done.returncode == 2
    assert "did you mean 'neftune_noise_alpha'?" in done.stderr
    assert not (project.folder / "reports").exists()


def test_a_killed_stage_leaves_dvc_lock_and_nobody_behind_and_goes_on_later(project, wait):
    before = project.start(sys.executable, "-m", "dvc", "repro", "toy", TOY_STAYS_AT="12")
    project.wait_for_step(12)
    os.kill(before.pid, signal.SIGKILL)  # dvc alone: its stage has to notice
    before.communicate(timeout=20)
    wait(lambda: not alive(project), 10)
    assert not (project.folder / "dvc.lock").exists()

    done = project.repro()
    assert done.returncode == 0, done.stdout + done.stderr
    first = json.loads((project.folder / "reports/metrics/toy.json").read_text())["first"]
    assert first == 10
    assert curve(project) == list(range(1, 41)), "each step once, although dvc deleted the curve"
    assert (project.folder / "dvc.lock").exists()


def test_a_terminated_training_is_killed_in_mlflow_too(project, wait, two_creators):
    forwarding = project.folder / "tasks/ledger/forwarding.py"
    forwarding.write_text(forwarding.read_text().replace("PATIENCE_SECONDS = 10.0", "PATIENCE_SECONDS = 0.0"))
    store = project.folder / ".state/mlflow"
    shutil.copytree(two_creators[0] / "mlflow", store)

    def asked(query: str) -> list[tuple]:
        database = sqlite3.connect(store / "mlflow.db")
        try:
            return database.execute(query).fetchall()
        finally:
            database.close()

    running = project.start(*STAGE, TOY_STAYS_AT="1")
    wait(lambda: len(asked("select * from metrics where key = 'train/loss'")) > 0)
    assert asked("select name, status from runs") == [("toy", "RUNNING")]
    before = time.monotonic()
    running.send_signal(signal.SIGTERM)
    running.send_signal(signal.SIGTERM)  # the one from dvc's death
    assert running.wait(60) == 128 + signal.SIGTERM
    assert time.monotonic() - before < 5
    running.communicate()
    assert asked("select name, status from runs") == [("toy", "KILLED")]
    names = {name for (name,) in asked("select name from datasets")}
    assert names == {"data/rows.txt"}


def test_other_inputs_do_not_go_on_from_old_work(project):
    killed = project.start(*STAGE, TOY_STAYS_AT="7")
    project.wait_for_step(7)
    killed.send_signal(signal.SIGTERM)
    assert killed.wait(10) == 128 + signal.SIGTERM
    killed.communicate()
    (project.folder / "data/rows.txt").write_text("other rows")
    done = project.toy()
    assert "half-finished" in done.stdout
    assert json.loads((project.folder / "reports/metrics/toy.json").read_text())["first"] == 0


def test_a_second_trainer_is_refused(project):
    first = project.start(*STAGE, TOY_STAYS_AT="1")
    project.wait_for_step(1)
    second = project.toy()
    first.kill()
    first.communicate()
    assert second.returncode == 2
    assert "toy: another process is already training" in second.stderr


@pytest.mark.parametrize(
    ("edited", "old", "new", "place"),
    [
        (
            "params.yaml",
            "neftune_noise_alpha: 5.0",
            "neftune_noise_alpha: 6.0",
            "sft.source.neftune_noise_alpha",
        ),
        ("tasks/toy.py", "weights", "other weights", "tasks/toy.py"),
    ],
)
def test_an_edit_while_it_runs_is_refused_and_dvc_records_nothing(project, edited, old, new, place):
    running = project.start(sys.executable, "-m", "dvc", "repro", "toy", TOY_STAYS_AT="3")
    project.wait_for_step(3)
    path = project.folder / edited
    path.write_text(path.read_text().replace(old, new))
    project.go_on()
    said, _ = running.communicate(timeout=30)
    assert running.returncode != 0
    assert place in said
    assert "edited while it ran; nothing is recorded; run again" in said
    assert not (project.folder / "dvc.lock").exists()
    assert not (project.folder / "reports/metrics/toy.json").exists()


def test_an_edit_of_what_the_stage_does_not_use_does_not_matter(project):
    running = project.start(*STAGE, TOY_STAYS_AT="3")
    project.wait_for_step(3)
    params = project.folder / "params.yaml"
    params.write_text(params.read_text().replace("resamples: 10000", "resamples: 2000"))
    project.go_on()
    assert running.wait(20) == 0
    running.communicate()


def test_a_full_disk_and_a_full_memory_are_told_in_one_line():
    main = importlib.import_module("tasks.__main__")
    full = OSError(errno.ENOSPC, "No space left on device")
    assert "the disk is full" in str(main._trouble(full, "sft"))
    wrapped = RuntimeError("cannot save")
    wrapped.__cause__ = full
    assert "the disk is full" in str(main._trouble(wrapped, "sft"))
    assert "not enough memory" in str(main._trouble(MemoryError(), "sft"))
    assert "not enough memory" in str(main._trouble(RuntimeError("CUDA out of memory. Tried ..."), "sft"))
    assert main._trouble(ValueError("other"), "sft") is None


def test_a_metric_that_is_not_finite_is_no_result():
    main = importlib.import_module("tasks.__main__")
    with pytest.raises(main.Refusal, match="sft: loss: is nan; it diverged"):
        main._clean("sft", {"loss": float("nan")})
