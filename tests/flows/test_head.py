"""A run of HEAD: what it says beforehand, and that it can be stopped from its first moment."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flows import graph, head

ROOT = Path(__file__).resolve().parents[2]
SLEEPERS = """
stages:
  align-pairs:
    matrix: {branch: "${branches.pairs}", seed: "${seeds}"}
    cmd: exec python -m work ${item.branch}-${item.seed} 60 0
    outs: ["out/${item.branch}-${item.seed}"]
"""
SLOW_GRAPH = """
import sys, time
from pathlib import Path
from flows import graph
read = graph.read
def slowly(*words):  # as with sixty trainings on a busy machine
    Path(sys.argv[1]).touch()
    time.sleep(60)
    return read(*words)
graph.read = slowly
from flows import every
sys.exit(every.main())
"""


def stage(name, current=False):
    return graph.Stage(name, (), current)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setattr(head.state, "root", lambda: tmp_path)
    monkeypatch.setenv("GALLIM_CPU_SLOTS", "2")
    monkeypatch.chdir(ROOT)
    (tmp_path / "costs").mkdir()
    return tmp_path


def test_it_says_how_many_trainings_are_to_do_and_about_how_long_they_take(here):
    for name, seconds in (("align-dpo-0", 30.0), ("align-rloo-0", 90.0), ("evaluate-dpo-0", 40.0)):
        (here / "costs" / f"{name}.json").write_text(json.dumps({"seconds": seconds}))
    stages = [stage(f"align-pairs@dpo-{seed}", current=seed == 0) for seed in range(7)]
    stages += [stage(f"evaluate-pairs@dpo-{seed}") for seed in range(6)] + [stage("sft")]
    told = head.expected(stages)  # 6 x 60 and 6 x 40 seconds on two slots
    assert told.startswith("6 trainings to do of 7, about 5 min by what the last ones took here")


def test_where_nothing_was_trained_yet_it_says_no_time(here):
    assert head.expected([stage("align-pairs@dpo-0")]) == "1 trainings to do of 1"


@pytest.fixture
def committed(project):
    """The project with the repository's parameters, and a commit."""
    (project.folder / "assets").mkdir()
    for name in ("params.yaml", "assets/every-method.yaml"):
        shutil.copy(ROOT / name, project.folder / name)
    (project.folder / "dvc.yaml").write_text(SLEEPERS)
    (project.folder / ".gitignore").write_text("/.state/\n/out/\n")
    for words in (["add", "--all"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "start"]):
        subprocess.run(["git", *words], cwd=project.folder, check=True)
    return project


def test_ctrl_c_is_heard_before_the_first_stage_even_behind_an_ampersand(committed, wait):
    """A shell without job control starts what stands before `&` with SIGINT ignored, and so do its children."""
    reached, said = committed.folder / ".state/reached", committed.folder / ".state/said.txt"
    with said.open("w") as out:
        run = subprocess.Popen(
            [sys.executable, "-c", SLOW_GRAPH, str(reached)],
            cwd=committed.folder,
            stdout=out,
            stderr=out,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        )
    try:
        wait(lambda: reached.exists() or run.poll() is not None)
        assert run.poll() is None, said.read_text()
        os.kill(run.pid, signal.SIGINT)
        assert run.wait(30) == 128 + signal.SIGINT, said.read_text()
    finally:
        run.kill()
    assert said.read_text().endswith("stopped\n")
