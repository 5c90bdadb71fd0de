"""What is set before anything heavy is imported."""

import os
from pathlib import Path

import pytest

from tasks.ledger import environment

NAMES = (*environment.QUIET, "OMP_NUM_THREADS", "MKL_NUM_THREADS", "MKL_DYNAMIC", "HF_HUB_OFFLINE")


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "before")  # so that monkeypatch puts back what the test changes
        monkeypatch.delenv(name)


@pytest.mark.parametrize(("kind", "offline"), [("embedded", "1"), ("hub", None)])
def test_threads_silence_and_the_network(tmp_path: Path, kind: str, offline: str | None):
    given = tmp_path / "params.yaml"
    given.write_text(f"compute: {{threads: 3}}\nprepare: {{source: {{kind: {kind}}}}}\nseeds: [0]\n")
    environment.settle("align", given)
    assert (os.environ["OMP_NUM_THREADS"], os.environ["MKL_NUM_THREADS"]) == ("3", "3")
    assert os.environ.get("HF_HUB_OFFLINE") == offline
    assert {name: os.environ[name] for name in environment.QUIET} == environment.QUIET


@pytest.mark.parametrize(
    ("stage", "threads"), [("sft", "4"), ("sample", "4"), ("reward", "3"), ("align", "3")]
)
def test_a_stage_beside_which_nothing_can_run_has_threads_of_its_own(
    tmp_path: Path, stage: str, threads: str
):
    given = tmp_path / "params.yaml"
    given.write_text("compute: {threads: 3, trunk_threads: 4}\n")
    environment.settle(stage, given)
    assert (os.environ["OMP_NUM_THREADS"], os.environ["MKL_DYNAMIC"]) == (threads, "FALSE")


def test_a_broken_file_is_left_to_the_one_who_validates_it(tmp_path: Path):
    given = tmp_path / "params.yaml"
    given.write_text("compute: [")
    environment.settle("align", given)
    assert "OMP_NUM_THREADS" not in os.environ
