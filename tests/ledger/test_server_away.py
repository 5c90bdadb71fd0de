"""A real MLflow server, killed, restarted, and behind a gate that loses answers: no step lost, none twice."""

import os
import shutil
import signal
import socket
import socketserver
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tasks.ledger import forwarding, run, state, store, unended
from tasks.ledger.forwarding import Forwarder
from tasks.ledger.journal import Journal
from tasks.ledger.target import Target

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow.*",
    "ignore::ResourceWarning",  # MLflow leaves its connections to the garbage collector
)
ALIGN = Target("align", family="pairs", branch="dpo", seed=0)
SETTINGS = {"branches.pairs.dpo": {"method": "dpo", "beta": 0.1}, "compute": {"threads": 1}}
# as `make ui` starts it: one worker and no jobs
PLAIN = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


class Server:
    """MLflow's own, over a database of the module's."""

    def __init__(self, home: Path):
        self.database = home / "mlflow.db"
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self._process: subprocess.Popen | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        words = ["--backend-store-uri", f"sqlite:///{self.database}", "--host", "127.0.0.1", "--workers", "1"]
        words += ["--default-artifact-root", (self.database.parent / "artifacts").as_uri()]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *words, "--port", str(self.port)],
            env={**environment, **PLAIN},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        end = time.monotonic() + 240
        while not self._answers():
            assert time.monotonic() < end, "the server does not answer"
            time.sleep(0.2)

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def asked(self, query: str) -> list[tuple]:
        database = sqlite3.connect(self.database, timeout=30)
        try:
            return database.execute(query).fetchall()
        finally:
            database.close()

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.address}/health", timeout=5) as answer:
                return answer.status == 200
        except (URLError, OSError):
            return False


class Gate:
    """Passes requests on to the server; `loses(path)` decides whether an answer is lost after the server gave it."""

    def __init__(self, server: Server):
        self.loses: Callable[[str], bool] = lambda _: False
        self.is_open = True
        gate = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                request = gate._whole(self.request)
                if not gate.is_open or not request:
                    return
                path = request.split(b" ", 2)[1].decode()
                request = request.replace(b"Connection: keep-alive", b"Connection: close", 1)
                with socket.create_connection(("127.0.0.1", server.port)) as there:
                    there.sendall(request)
                    answer = b"".join(iter(lambda: there.recv(65536), b""))
                if not gate.loses(path):
                    self.request.sendall(answer)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @staticmethod
    def _whole(connection: socket.socket) -> bytes:
        """One request: its head, and as much as its Content-Length says."""
        found = b""
        while b"\r\n\r\n" not in found:
            more = connection.recv(65536)
            if not more:
                return b""
            found += more
        head, _, body = found.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        wanted = int(lengths[0].split(b":")[1]) if lengths else 0
        while len(body) < wanted:
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body


@pytest.fixture(scope="module")
def server(
    two_creators: tuple[Path, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("server") / "mlflow"
    shutil.copytree(two_creators[0] / "mlflow", home)
    one = Server(home)
    one.start()
    yield one
    one.kill()


@pytest.fixture
def gate(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    one = Gate(server)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", one.address)
    yield one
    one.close()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GALLIM_STATE", str(tmp_path / ".state"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    monkeypatch.setattr(forwarding, "PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(forwarding, "LONGEST_PAUSE_SECONDS", 0.4)
    monkeypatch.setitem(forwarding.GRACE_SECONDS, "FINISHED", 120.0)  # a busy machine


def begun(record: str) -> tuple[Journal, Forwarder]:
    journal = Journal(record)
    forwarder = Forwarder(ALIGN, SETTINGS, journal, patience=0.0)
    forwarder.start()
    return journal, forwarder


def walk(journal: Journal, steps: range) -> None:
    for step in steps:
        journal.step(step, 90, loss=1 / step)


def made(server: Server, forwarder: Forwarder) -> list[tuple[str, str]]:
    """The forwarder's runs that are not deleted: id and status."""
    query = "select r.run_uuid, r.status from runs r join tags t on r.run_uuid = t.run_uuid"
    query += (
        f" where t.key = '{run.TOKEN}' and t.value = '{forwarder._token}' and r.lifecycle_stage = 'active'"
    )
    return server.asked(query)


def steps(server: Server, forwarder: Forwarder) -> list[int]:
    """Of the curve as MLflow has it, each as often as it is there."""
    found = []
    for one, _ in made(server, forwarder):
        found += server.asked(
            f"select step from metrics where run_uuid = '{one}' and key = 'train/loss' order by step"
        )
    return [step for (step,) in found]


def settled() -> None:
    unended.settle(*store.opened(), store.uri())


def test_a_server_that_is_killed_and_started_again_has_every_step_once(server: Server, wait, capsys):
    journal, forwarder = begun("align-dpo-0")
    walk(journal, range(1, 11))
    wait(lambda: len(steps(server, forwarder)) == 10)
    server.kill()
    walk(journal, range(11, 21))
    wait(lambda: forwarder._warned)
    server.start()
    walk(journal, range(21, 31))
    forwarder.finish("FINISHED", {"loss": 0.1})
    assert steps(server, forwarder) == list(range(1, 31))
    assert [status for _, status in made(server, forwarder)] == ["FINISHED"]
    assert capsys.readouterr().err.count("warning: MLflow") == 1


def test_what_the_server_did_and_could_not_say_is_not_done_twice(server: Server, gate: Gate, wait):
    """Each kind of request loses its first answer, after the server has done what it was asked."""
    lost: list[str] = []

    def loses(path: str) -> bool:
        kind = path.partition("?")[0]
        lost.append(kind)
        return lost.count(kind) == 1

    gate.loses = loses
    journal, forwarder = begun("align-dpo-1")
    walk(journal, range(1, 11))
    wait(lambda: len(steps(server, forwarder)) == 10)
    walk(journal, range(11, 21))
    forwarder.finish("FINISHED", {"loss": 0.1})
    settled()
    assert {path.rpartition("/")[2] for path in lost} >= {"create", "log-batch", "search"}
    assert steps(server, forwarder) == list(range(1, 21))
    assert [status for _, status in made(server, forwarder)] == ["FINISHED"]


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_a_server_that_is_away_at_the_end_hears_it_later(server: Server, gate: Gate, wait, status: str):
    journal, forwarder = begun("align-dpo-2")
    walk(journal, range(1, 6))
    wait(lambda: len(steps(server, forwarder)) == 5)
    gate.is_open = False
    walk(journal, range(6, 9))
    forwarder.finish(status, {"loss": 0.1} if status == "FINISHED" else None)
    assert [ended for _, ended in made(server, forwarder)] == ["RUNNING"]
    gate.is_open = True
    settled()
    assert steps(server, forwarder) == list(range(1, 9))
    assert [ended for _, ended in made(server, forwarder)] == [status]
    assert list((state.root() / unended.FOLDER).iterdir()) == []
    (one, _), *_ = made(server, forwarder)
    tied = server.asked(f"select count(*) from tags where run_uuid = '{one}' and key = '{run.CONTENT}'")
    assert tied == [(status == "FINISHED",)], "by which `track` knows that this result is there"


def test_last_words_are_for_the_store_they_were_meant_for(server: Server):
    words = unended.Words("0" * 32, True, [], "FAILED", 1, {"step": 1}, {})
    unended.keep("http://127.0.0.1:9", words)
    settled()
    assert len(list((state.root() / unended.FOLDER).iterdir())) == 1
