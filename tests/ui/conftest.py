"""A project whose stages train nothing, with the real flows, the real ledger and a `make ui` of its own."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

ROOT = Path(__file__).resolve().parents[2]
QUOTED = "tasks/measures/quoted.py"  # by flows/deploy.py
STAGE = '''
import json, os, time, zlib
from pathlib import Path

DESK = Path(os.environ["TOY_DESK"])  # the test's own folder: {record}.hold there makes a training stand still

def train(record, out, journal, scratch, numbers):
    """20 steps with a checkpoint every 5; notes on the desk from where it began."""
    saved = scratch / "checkpoint.json"
    first = json.loads(saved.read_text()) if saved.exists() else 0
    if first:
        journal.resume_from(first)
    with (DESK / "trained.jsonl").open("a") as noted:
        noted.write(json.dumps({"record": record, "first": first}) + "\\n")
    for step in range(first + 1, 21):
        journal.step(step, 20, loss=1 / step)
        if step % 5 == 0:
            fresh = saved.with_suffix(".new")
            fresh.write_text(json.dumps(step))
            fresh.replace(saved)
        (DESK / f"{record}.step").write_text(str(step))
        while step == 12 and (DESK / f"{record}.hold").exists():
            time.sleep(0.02)
    Path(out).mkdir(parents=True)
    weights = f"{zlib.crc32(json.dumps(numbers).encode()):064d}"
    Path(out, "manifest.json").write_text(json.dumps({"weights_sha256": weights}))
    return numbers
'''
SFT = """
from tasks.toy import train

def run(sft, compute, journal, scratch):
    return train("sft", "models/sft", journal, scratch, {"alpha": sft.source.neftune_noise_alpha})
"""
ALIGN = """
from tasks.toy import train

def run(branch, seed, entry, compute, journal, scratch):
    return train(f"{branch}-{seed}", f"models/{branch}-{seed}", journal, scratch, {"beta": entry.beta})
"""
COMPARE = """
import json
from pathlib import Path

JSON = Path("reports/comparison.json")

def run(branches, seeds, own):
    betas = {name: entry.beta for name, entry in branches.entries().items()}
    JSON.write_text(json.dumps({"betas": betas, "seeds": seeds, "own": Path(own.documents, "a.txt").read_text()}))
    Path("reports/comparison.html").write_text("<h1>the report</h1>")

def table(found):
    return str(found)
"""
GRAPH = """
stages:
  sft:
    cmd: exec python -m tasks sft
    params: [sft, compute]
    deps: ["${own.documents}", tasks/sft.py]
    outs: [models/sft, reports/curves/sft.jsonl]
    metrics: [reports/metrics/sft.json]
  align-pairs:
    matrix: {branch: "${branches.pairs}", seed: "${seeds}"}
    cmd: exec python -m tasks align --family pairs --branch ${item.branch} --seed ${item.seed}
    params: ["branches.pairs.${item.branch}", compute]
    deps: [models/sft, tasks/align.py]
    outs: ["models/${item.branch}-${item.seed}", "reports/curves/align-${item.branch}-${item.seed}.jsonl"]
    metrics: ["reports/metrics/align-${item.branch}-${item.seed}.json"]
  align-online:
    matrix: {branch: "${branches.online}", seed: "${seeds}"}
    cmd: exec python -m tasks align --family online --branch ${item.branch} --seed ${item.seed}
    params: ["branches.online.${item.branch}", compute]
    deps: [models/sft, tasks/align.py]
    outs: ["models/${item.branch}-${item.seed}", "reports/curves/align-${item.branch}-${item.seed}.jsonl"]
    metrics: ["reports/metrics/align-${item.branch}-${item.seed}.json"]
  compare:
    cmd: exec python -m tasks compare
    params: [branches, seeds, own]
    deps: [reports/metrics, tasks/compare.py]
    outs: [reports/comparison.html]
    metrics: [{reports/comparison.json: {cache: false}}]
"""


class Desk:
    """The project, its `make ui`, and what a person at its pages does, by the same REST calls."""

    def __init__(self, home: Path):
        self.folder, self.notes = home / "project", home / "notes"
        self.said = home / "ui.txt"
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("PREFECT", "MLFLOW", "GIT_"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        nobody = {"HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}  # git knows no name on a new machine
        self.environment = {
            **kept,
            **nobody,
            "PATH": path,
            "TOY_DESK": str(self.notes),
            "GALLIM_CPU_SLOTS": "4",
        }
        self.process: subprocess.Popen | None = None

    def make(self) -> None:
        folder, compiled = self.folder, shutil.ignore_patterns("__pycache__")
        self.notes.mkdir(parents=True)
        ground = ("parameters.py", "plain_yaml.py", "redaction.py", "refusal.py", "settings.py")
        for name in ("__init__.py", "__main__.py", *ground):
            (folder / "tasks").mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / "tasks" / name, folder / "tasks" / name)
        for name in ("tasks/ledger", "tasks/methods", "tasks/sections", "flows"):
            shutil.copytree(ROOT / name, folder / name, ignore=compiled)
        (folder / "tasks/measures").mkdir()
        for name in ("params.yaml", ".gitignore", ".dvcignore", "tasks/measures/__init__.py", QUOTED):
            shutil.copy(ROOT / name, folder / name)
        for name, text in (("toy", STAGE), ("sft", SFT), ("align", ALIGN), ("compare", COMPARE)):
            (folder / "tasks" / f"{name}.py").write_text(text)
        (folder / "dvc.yaml").write_text(GRAPH)
        (folder / "data/own/documents").mkdir(parents=True)
        (folder / "data/own/documents/a.txt").write_text("the user's own")
        self.do("git", "init", "--quiet")
        self.do(sys.executable, "-m", "dvc", "init", "--quiet")
        shutil.copy(ROOT / ".dvc" / "config", folder / ".dvc" / "config")
        self.commit("start")

    def commit(self, subject: str) -> None:
        self.do("git", "add", "--all")
        self.do("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", subject)

    def do(self, *words: str) -> str:
        done = subprocess.run(
            words, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=100
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, **more: str) -> subprocess.Popen:
        with self.said.open("w") as said:
            return subprocess.Popen(
                (sys.executable, "-m", "flows.ui"),
                cwd=self.folder,
                env={**self.environment, **more},
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def link(self, name: str) -> str:
        return re.search(rf"{name}: +(http://127\.0\.0\.1:\d+)", self.said.read_text())[1]

    def ask(self, path: str, body: Any = None, method: str | None = None, token: bool = True) -> Any:
        """Prefect's REST API, as its pages use it; an HTTP error is raised with what the server said."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        if data and token:
            known = self.ask("csrf-token?client=desk")
            headers |= {"Prefect-Csrf-Token": known["token"], "Prefect-Csrf-Client": "desk"}
        pauses = iter((1, 2, 4))  # its database may be locked for a moment
        while True:
            try:
                call = Request(f"{self.link('Prefect')}/api/{path}", data, headers, method=method)
                with urlopen(call, timeout=30) as answer:
                    return json.loads(answer.read() or "null")
            except HTTPError as error:
                pause = next(pauses, None)
                if error.code != 503 or pause is None:
                    raise ValueError(f"{error.code}: {error.read().decode()}") from None
                time.sleep(pause)

    def retry(self, run: str) -> None:
        """What the Retry button of a run's page does."""
        state = {"type": "SCHEDULED", "name": "AwaitingRetry"}
        self.ask(f"flow_runs/{run}/set_state", {"state": state, "force": True})

    def press_run(self, **parameters: Any) -> str:
        """What the button of the form does; the id of the new run."""
        form = self.ask("deployments/name/experiment/gallim")["id"]
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return self.ask(f"deployments/{form}/create_flow_run", body)["id"]

    def state(self, run: str) -> str:
        return self.ask(f"flow_runs/{run}")["state"]["name"]

    def set_state(self, run: str, kind: str, name: str) -> None:
        self.ask(f"flow_runs/{run}/set_state", {"state": {"type": kind, "name": name}, "force": False})

    def stages(self, run: str) -> dict[str, str]:
        """Stage -> its state's name, in the last attempt."""
        found = self.ask(
            "task_runs/filter", {"flow_runs": {"id": {"any_": [run]}}, "sort": "EXPECTED_START_TIME_ASC"}
        )
        return {one["name"]: one["state"]["name"] for one in found}

    def hold(self, record: str) -> None:
        (self.notes / f"{record}.step").unlink(missing_ok=True)
        (self.notes / f"{record}.hold").touch()

    def release(self, record: str) -> None:
        (self.notes / f"{record}.hold").unlink(missing_ok=True)

    def held(self, record: str) -> bool:
        step = self.notes / f"{record}.step"
        return step.exists() and step.read_text() == "12"

    def trained(self, record: str) -> list[int]:
        """From which step each training of this record began, since the last clearing."""
        noted = self.notes / "trained.jsonl"
        lines = [json.loads(line) for line in noted.read_text().splitlines()] if noted.exists() else []
        return [line["first"] for line in lines if line["record"] == record]

    def processes(self, *words: str) -> dict[int, str]:
        """Of this project and its worktrees, those whose command line holds all the words."""
        found = {}
        for process in Path("/proc").iterdir():
            try:
                place = (process / "cwd").readlink() if process.name.isdecimal() else Path("/")
                command = (process / "cmdline").read_text().replace("\0", " ") if place != Path("/") else ""
            except OSError:
                continue
            if command and place.is_relative_to(self.folder) and all(word in command for word in words):
                found[int(process.name)] = command
        return found


@pytest.fixture(scope="session")
def wait() -> Callable[..., None]:
    """`wait(until)` returns once until() is true."""

    def wait(until: Callable[[], bool], seconds: float = 300.0) -> None:
        end = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.1)

    return wait


@pytest.fixture(scope="session")
def new_desk() -> Callable[[Path], Desk]:
    """`new_desk(folder)` makes a project there."""

    def made_in(home: Path) -> Desk:
        desk = Desk(home)
        desk.make()
        return desk

    return made_in


@pytest.fixture(scope="session")
def made(new_desk: Callable[[Path], Desk], tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The project alone."""
    return new_desk(tmp_path_factory.mktemp("desk"))


@pytest.fixture(scope="session")
def desk(made: Desk, wait: Callable[..., None]):
    """The project with its `make ui` at work."""
    made.process = made.start()
    try:
        wait(lambda: "Ctrl-C stops" in made.said.read_text() or made.process.poll() is not None, 120)
        assert made.process.poll() is None, made.said.read_text()
        yield made
    finally:
        made.process.send_signal(signal.SIGINT)
        try:
            made.process.wait(60)
        except subprocess.TimeoutExpired:
            made.process.kill()
