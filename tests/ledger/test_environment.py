"""What is set before anything heavy is imported."""

import os
from pathlib import Path

import pytest

from tasks.ledger import environment

NAMES = (*environment.QUIET, "OMP_NUM_THREADS", "MKL_NUM_THREADS", "HF_HUB_OFFLINE")


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "before")  # so that monkeypatch puts back what the test changes
        monkeypatch.delenv(name)


@pytest.mark.parametrize(("kind", "offline"), [("embedded", "1"), ("hub", None)])
def test_threads_silence_and_the_network(tmp_path: Path, kind: str, offline: str | None):
    given = tmp_path / "params.yaml"
    given.write_text(f"compute: {{threads: 3}}\nprepare: {{source: {{kind: {kind}}}}}\nseeds: [0]\n")
    environment.settle(given)
    assert (os.environ["OMP_NUM_THREADS"], os.environ["MKL_NUM_THREADS"]) == ("3", "3")
    assert os.environ.get("HF_HUB_OFFLINE") == offline
    assert {name: os.environ[name] for name in environment.QUIET} == environment.QUIET


def test_a_broken_file_is_left_to_the_one_who_validates_it(tmp_path: Path):
    given = tmp_path / "params.yaml"
    given.write_text("compute: [")
    environment.settle(given)
    assert "OMP_NUM_THREADS" not in os.environ
