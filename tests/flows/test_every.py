"""`make run-all`: its parameters hold every method, it says how long it takes, and its report is kept."""

import json
import shutil
from pathlib import Path

import pytest

from flows import every, graph
from tasks import methods, parameters

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "assets").mkdir()
    for name in ("params.yaml", "assets/every-method.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_every_method_is_a_branch_and_those_of_params_stay(tree):
    before = parameters.read(tree / "params.yaml").branches.entries()
    every.fill(tree)
    found = parameters.read(tree / "params.yaml").branches.entries()
    assert {entry.method for entry in found.values()} == set(methods.names())
    assert {name: found[name] for name in before} == before
    assert len({entry.optimisation.lora for entry in found.values()}) == 1


def stage(name, current=False):
    return graph.Stage(name, (), current)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setattr(every.state, "root", lambda: tmp_path)
    monkeypatch.setenv("GALLIM_CPU_SLOTS", "2")
    monkeypatch.chdir(ROOT)
    (tmp_path / "costs").mkdir()
    return tmp_path


def test_it_says_how_many_trainings_are_to_do_and_about_how_long_they_take(here):
    for name, seconds in (("align-dpo-0", 30.0), ("align-rloo-0", 90.0), ("evaluate-dpo-0", 40.0)):
        (here / "costs" / f"{name}.json").write_text(json.dumps({"seconds": seconds}))
    stages = [stage(f"align-pairs@dpo-{seed}", current=seed == 0) for seed in range(7)]
    stages += [stage(f"evaluate-pairs@dpo-{seed}") for seed in range(6)] + [stage("sft")]
    told = every.expected(stages)  # 6 x 60 and 6 x 40 seconds on two slots
    assert told.startswith("6 trainings to do of 7, about 5 min by what the last ones took here")


def test_where_nothing_was_trained_yet_it_says_no_time(here):
    assert every.expected([stage("align-pairs@dpo-0")]) == "1 trainings to do of 1"


def test_the_report_is_kept_whole(tmp_path):
    source = tmp_path / "tree"
    source.mkdir()
    for name in every.REPORTS:
        (source / name).write_text(name)
    for _ in range(2):
        every.keep(source, tmp_path / "kept/all")
    assert {path.name: path.read_text() for path in (tmp_path / "kept/all").iterdir()} == {
        name: name for name in every.REPORTS
    }
