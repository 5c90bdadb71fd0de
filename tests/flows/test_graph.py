"""DVC's graph as the flow reads it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows import graph

pytestmark = pytest.mark.filterwarnings(
    "ignore:_NoneStep.value will soon raise:DeprecationWarning"  # dvc 3.67.1 on pygtrie 2.5.1
)


def test_stages_come_after_what_they_need_and_know_what_is_current(project, monkeypatch):
    stages = {one.name: one for one in graph.read()}
    assert {name: one.needs for name, one in stages.items()} == {
        "first": (),
        "bad": ("first",),
        "branch@x": ("first",),
        "branch@y": ("first",),
        "last": ("bad", "branch@x", "branch@y"),
    }
    order = list(stages)
    assert all(order.index(need) < order.index(one.name) for one in stages.values() for need in one.needs)
    assert graph.groups(project.folder) == list(dict.fromkeys(one.group for one in stages.values()))
    assert not any(one.current for one in stages.values())

    subprocess.run([sys.executable, "-m", "dvc", "repro", "--quiet"], check=True)
    assert all(one.current for one in graph.read())
    Path("out/bad").unlink()
    monkeypatch.chdir("/")
    assert [one.name for one in graph.read(project.folder) if not one.current] == ["bad", "last"]


def test_up_to_a_stage_are_its_needs_and_every_one_of_its_matrix(project):
    stages = graph.read()
    assert [one.name for one in graph.up_to(stages, "branch")] == ["first", "branch@x", "branch@y"]
    assert graph.up_to(stages, "last") == stages
    assert graph.up_to(stages, "no-such-stage") == []


def test_a_stages_identity_is_what_decides_its_result_wherever_it_lies(project, tmp_path, monkeypatch):
    subprocess.run([sys.executable, "-m", "dvc", "repro", "--quiet"], check=True)
    names = ["first", "branch@x", "branch@y", "last"]
    before = [graph.identity(name) for name in names]
    assert len(set(before)) == 4
    shutil.copytree(project.folder, tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert [graph.identity(name) for name in names] == before
    Path("out/branch-x").write_text("other")
    assert [graph.identity(name) == then for name, then in zip(names, before, strict=True)] == [
        True,
        True,
        True,
        False,
    ]
    project.set(seconds=1)
    monkeypatch.chdir(project.folder)
    assert [graph.identity(name) == then for name, then in zip(names, before, strict=True)] == [
        True,
        False,
        False,
        True,
    ]
    assert graph.identity("no-such-stage") == "no-such-stage"
