"""A curve reaches MLflow while it grows, once each; a store that is away harms nobody."""

import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tasks.ledger import forwarding, held, run, store
from tasks.ledger.forwarding import Forwarder
from tasks.ledger.journal import Journal
from tasks.ledger.target import Target

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow.*",
    "ignore::ResourceWarning",  # MLflow leaves its sqlite connections to the garbage collector
)
ALIGN = Target("align", family="pairs", branch="dpo", seed=0)
SETTINGS = {"branches.pairs.dpo": {"method": "dpo", "beta": 0.1, "lora": None}, "compute": {"threads": 1}}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(forwarding, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(forwarding, "LONGEST_PAUSE_SECONDS", 0.2)


def runs() -> list[Any]:
    client, experiment = store.opened()
    return list(client.search_runs([experiment]))


def points(one: Any, name: str) -> list[tuple[int, float]]:
    client, _ = store.opened()
    return [(point.step, point.value) for point in client.get_metric_history(one.info.run_id, name)]


def test_a_training_shows_while_it_runs_and_ends_complete(state: Path, wait):
    journal = Journal("align-dpo-0")
    forwarder = Forwarder(ALIGN, SETTINGS, journal, patience=0.0)
    forwarder.start()
    for step in range(1, 6):
        journal.step(step, 9, loss=1 / step)
    wait(lambda: bool(runs()) and len(points(runs()[0], "train/loss")) == 5)
    for step in range(6, 10):
        journal.step(step, 9, loss=1 / step)
    forwarder.finish("FINISHED", {"loss": 0.1, "rows": 7, "kind": "train", "nothing": None})
    (one,) = runs()
    assert points(one, "train/loss") == [(step, 1 / step) for step in range(1, 10)]
    assert points(one, "loss") == [(9, 0.1)]
    assert one.info.status == "FINISHED"
    assert one.info.run_name == "align-dpo-0"
    assert one.data.params == {
        "method": "dpo",
        "family": "pairs",
        "branch": "dpo",
        "seed": "0",
        "beta": "0.1",
        "lora": "None",
        "compute.threads": "1",
    }
    tags = one.data.tags
    assert (tags["stage"], tags["result.kind"]) == ("align", "train")
    assert tags[run.CONTENT] == held.content("align-dpo-0")


def test_a_short_stage_does_not_import_mlflow(state: Path):
    journal = Journal("align-dpo-0")
    forwarder = Forwarder(ALIGN, SETTINGS, journal, patience=60.0)
    forwarder.start()
    journal.step(1, 1, loss=1.0)
    forwarder.finish("FINISHED", {})
    assert forwarder._store is None
    assert runs() == []


@pytest.mark.parametrize("status", ["FAILED", "KILLED"])
def test_a_training_that_ends_badly_says_so(state: Path, wait, status: str):
    journal = Journal("align-dpo-0")
    forwarder = Forwarder(ALIGN, SETTINGS, journal, patience=0.0)
    forwarder.start()
    journal.step(1, 9, loss=1.0)
    wait(lambda: forwarder._run is not None)
    forwarder.finish(status)
    (one,) = runs()
    assert one.info.status == status
    assert run.CONTENT not in one.data.tags


def test_a_store_that_is_away_costs_no_step_and_gets_all_once_it_is_back(
    state: Path, wait, monkeypatch, capsys
):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name in store.PATIENCE:
        monkeypatch.setenv(name, "1" if "TIMEOUT" in name else "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{port}")
    journal = Journal("align-dpo-0")
    forwarder = Forwarder(ALIGN, SETTINGS, journal, patience=0.0)
    forwarder.start()
    slowest = 0.0
    for step in range(1, 21):
        before = time.monotonic()
        journal.step(step, 20, loss=1 / step)
        slowest = max(slowest, time.monotonic() - before)
        time.sleep(0.02)
    wait(lambda: forwarder._warned)
    assert slowest < 0.5
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    forwarder.finish("FINISHED")
    assert points(runs()[0], "train/loss") == [(step, 1 / step) for step in range(1, 21)]
    said = capsys.readouterr().err
    assert said.count("warning: MLflow at http://127.0.0.1") == 1
    assert "secret" not in said


def test_a_store_that_hangs_holds_nobody_up(wait, monkeypatch, capsys):
    monkeypatch.setattr(store, "opened", lambda: time.sleep(60))
    monkeypatch.setitem(forwarding.GRACE_SECONDS, "FINISHED", 0.2)
    journal = Journal("align-dpo-0")
    forwarder = Forwarder(ALIGN, SETTINGS, journal, patience=0.0)
    forwarder.start()
    journal.step(1, 1, loss=1.0)
    wait(lambda: forwarder._at_work)
    before = time.monotonic()
    forwarder.finish("FINISHED")
    assert time.monotonic() - before < 2
    assert "does not answer in time" in capsys.readouterr().err
