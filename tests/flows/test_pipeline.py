"""`python -m flows.pipeline` from outside, with a Prefect of its own that a session of four runs shares."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from typing import Any

import pytest

COMMAND = (sys.executable, "-m", "flows.pipeline")
GRAPH = {"first", "bad", "branch@x", "branch@y", "last"}
EDGES = {("first", "bad"), ("first", "branch@x"), ("first", "branch@y")}
EDGES |= {(need, "last") for need in ("bad", "branch@x", "branch@y")}
PROFILES = 'active = "cloud"\n[profiles.cloud]\nPREFECT_API_KEY = "secret"\nPREFECT_API_URL = "{trap}"\n'


@pytest.fixture(scope="module")
def trap(tmp_path_factory: pytest.TempPathFactory):
    """The user's own Prefect, in a profile and in the environment: nobody may call it."""
    home = tmp_path_factory.mktemp("home")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/api"
        (home / ".prefect").mkdir()
        (home / ".prefect" / "profiles.toml").write_text(PROFILES.format(trap=address))
        yield server, home, address


@pytest.fixture
def environment(lasting, trap) -> dict[str, str]:
    _, home, address = trap
    return lasting.environment(
        HOME=str(home),
        PREFECT_API_URL=address,
        PREFECT_API_KEY="secret",
        PREFECT_PROFILE="cloud",
        MLFLOW_TRACKING_URI="http://127.0.0.1:9",  # nobody is there, and that may not matter
    )


def run(lasting, environment: dict[str, str]) -> subprocess.CompletedProcess:
    return subprocess.run(
        COMMAND, cwd=lasting.folder, env=environment, capture_output=True, text=True, timeout=150
    )


def asked(lasting, query: str) -> list[tuple[Any, ...]]:
    database = sqlite3.connect(lasting.folder / ".state" / "prefect" / "prefect.db")
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


LAST = "(select id from flow_run order by created desc limit 1)"


def states(lasting) -> dict[str, str]:
    """Stage -> state of its task run in the last flow run; Prefect adds -xyz to one that never began."""
    found = dict(asked(lasting, f"select name, state_name from task_run where flow_run_id = {LAST}"))
    return {name.partition("-")[0]: state for name, state in found.items()}


def tries(lasting, name: str) -> int:
    return len((lasting.folder / f".state/{name}.tries").read_text())


def edges(lasting) -> set[tuple[str, str]]:
    """What waited for what in the last flow run."""
    query = f"""
        select need.name, run.name from task_run run, json_each(run.task_inputs, '$.wait_for') input
        join task_run need on need.id = json_extract(input.value, '$.id') where run.flow_run_id = {LAST}
    """
    return set(asked(lasting, query))


def test_a_failed_stage_stops_what_needs_it_and_nothing_else(lasting, environment, trap):
    lasting.set(seconds=0, fails="refused")
    done = run(lasting, environment)
    assert done.returncode == 1, done.stdout + done.stderr
    found = states(lasting)
    assert found.keys() == GRAPH
    assert found == dict.fromkeys(GRAPH, "Completed") | {"bad": "Refused", "last": found["last"]}
    assert found["last"] not in ("Completed", "Failed")
    assert not (lasting.folder / "out" / "last").exists()

    assert "bad failed: pairs: too few; lower min_margin" in done.stderr
    assert tries(lasting, "bad") == 1, "what gallim refuses is not tried again"
    assert "not run, as they need what failed: last" in done.stderr
    log = lasting.folder / ".state" / "logs" / "bad.log"
    assert str(log) in done.stderr
    assert "too few" in log.read_text()
    assert "[branch@x] written" in done.stdout

    server, home, address = trap
    with pytest.raises(BlockingIOError):
        server.accept()
    assert (home / ".prefect" / "profiles.toml").read_text() == PROFILES.format(trap=address)
    assert [path.name for path in (home / ".prefect").iterdir()] == ["profiles.toml"]
    assert "secret" not in done.stdout + done.stderr


def test_the_next_run_does_the_rest_along_dvcs_edges(lasting, environment):
    lasting.set(seconds=0, fails="once")
    done = run(lasting, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    rest = {"bad": "Completed", "last": "Completed"}
    assert states(lasting) == dict.fromkeys(GRAPH, "Unchanged") | rest
    assert tries(lasting, "bad") == 3, "a crash is tried again, as meta: retries says"
    assert "5 stages: 2 Completed, 0 RunCache, 3 Unchanged" in done.stdout
    assert "make ui" in done.stdout
    assert edges(lasting) == EDGES
    assert asked(lasting, "select count(*) from artifact where type = 'progress'")[0][0] > 0


def test_a_run_with_nothing_to_do_says_so_of_every_stage(lasting, environment):
    lock = (lasting.folder / "dvc.lock").read_bytes()
    done = run(lasting, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert states(lasting) == dict.fromkeys(GRAPH, "Unchanged")
    assert (lasting.folder / "dvc.lock").read_bytes() == lock


def test_ctrl_c_ends_everything_within_seconds_and_a_second_run_is_refused_meanwhile(
    lasting, environment, wait
):
    lasting.set(seconds=60, fails="once")
    locked = lasting.folder / "dvc.lock"
    before = locked.read_bytes() if locked.exists() else None
    out = lasting.folder / ".state" / "out.txt"
    with out.open("w") as said:
        flow = subprocess.Popen(
            COMMAND, cwd=lasting.folder, env=environment, stdout=said, stderr=said, start_new_session=True
        )
    log = lasting.folder / ".state" / "logs" / "branch@y.log"
    wait(lambda: sum("work.py" in words for words in lasting.alive()) >= 2 and "progress" in log.read_text())

    second = run(lasting, environment)
    assert second.returncode == 2
    assert "another one is at work" in second.stderr

    asked_to_stop = time.monotonic()
    os.kill(flow.pid, signal.SIGINT)
    assert flow.wait(30) == 128 + signal.SIGINT, out.read_text()
    assert time.monotonic() - asked_to_stop < 15
    assert lasting.alive() == []
    assert "stopped;" in out.read_text()
    if before is not None:  # else this test ran alone, and `first` was done
        assert locked.read_bytes() == before
    last = "select state_type from flow_run order by created desc limit 1"
    assert asked(lasting, last) in ([("CRASHED",)], [("CANCELLED",)])
