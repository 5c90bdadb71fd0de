"""What DVC says of the stage at work, asked while other stages' dvc write dvc.lock."""

import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
from dvc.repo import Repo
from dvc.utils.strictyaml import YAMLSyntaxError, YAMLValidationError

from tasks.ledger import graph
from tasks.ledger.target import parse

STAGES = """
stages:
  prepare:
    cmd: exec python -m tasks prepare
    deps: [one.txt]
    outs: [two.txt]
"""
HALF = ("schema: '2.0'\nstag", "schema: '2.0'\nstages:\n  prepare:\n    cm: 1\n", "{")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_STAGE", raising=False)
    Path("one.txt").write_text("1")
    Path("dvc.yaml").write_text(STAGES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Repo.init(str(tmp_path), no_scm=True):
            pass
    graph._stage.cache_clear()
    yield tmp_path
    graph._stage.cache_clear()


@pytest.mark.parametrize("half", HALF)
@pytest.mark.parametrize("named", [False, True])
def test_a_lock_file_that_is_being_written_is_read_again(half, named, repository, monkeypatch):
    if named:
        monkeypatch.setenv("DVC_STAGE", "prepare")
    Path("dvc.lock").write_text(half)
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            Path("dvc.lock").unlink()

    monkeypatch.setattr(graph, "time", SimpleNamespace(sleep=sleep))
    assert graph.owns(parse(["prepare"]), Path("two.txt"))
    assert graph.inputs(parse(["prepare"])) == [Path("one.txt")]
    assert len(waits) == 2


def test_a_lock_file_that_stays_broken_is_told(repository, monkeypatch):
    monkeypatch.setattr(graph, "time", SimpleNamespace(sleep=lambda _: None))
    Path("dvc.lock").write_text(HALF[0])
    with pytest.raises((YAMLSyntaxError, YAMLValidationError)):
        graph.owns(parse(["prepare"]), Path("two.txt"))


def test_a_stage_of_another_project_is_not_this_one(repository, monkeypatch):
    monkeypatch.setenv("DVC_STAGE", "elsewhere")
    assert not graph.owns(parse(["prepare"]), Path("one.txt"))
    assert graph.owns(parse(["judge"]), Path("anything"))  # no stage, so it may write what it likes
