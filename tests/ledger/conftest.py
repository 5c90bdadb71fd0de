"""Throw-away projects: the real tasks/__main__.py and ledger around one toy stage that trains nothing."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOY = '''
import json, os, time
from pathlib import Path

def run(sft, compute, journal, scratch):
    """40 steps with a checkpoint every 5; stays at TOY_STAYS_AT until there is a file `go`; says where it began."""
    saved = scratch / "checkpoint.json"
    first = json.loads(saved.read_text()) if saved.exists() else 0
    if first:
        journal.resume_from(first)
    for step in range(first + 1, 41):
        journal.step(step, 40, loss=1 / step)
        if step % 5 == 0:
            saved.write_text(json.dumps(step))
        while str(step) == os.environ.get("TOY_STAYS_AT") and not Path("go").exists():
            time.sleep(0.02)
    Path("models").mkdir(exist_ok=True)
    Path("models/toy").write_text("weights")
    return {"first": first, "loss": journal.curve()[-1]["loss"], "kind": sft.source.kind, "nothing": None}
'''
GRAPH = """
stages:
  toy:
    cmd: exec python -m tasks toy
    deps: [tasks/toy.py, data/rows.txt]
    params: [sft, compute]
    outs: [models/toy, reports/curves/toy.jsonl]
    metrics: [reports/metrics/toy.json]
  still:
    cmd: exec python -m tasks still
    outs: [reports/curves/still.jsonl]
"""


class Project:
    """A folder with git, DVC, the toy stage and the repository's own params.yaml."""

    def __init__(self, folder: Path):
        self.folder = folder
        foreign = ("MLFLOW", "PREFECT", "SHELL")  # without SHELL, DVC takes /bin/sh
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        self.environment = {**kept, "PATH": path, "DVC_NO_ANALYTICS": "1", "GALLIM_CPU_SLOTS": "4"}

    def make(self) -> None:
        folder, compiled = self.folder, shutil.ignore_patterns("__pycache__")
        ground = ("parameters.py", "plain_yaml.py", "redaction.py", "refusal.py", "settings.py")
        for name in ("__init__.py", "__main__.py", *ground):
            self._copy(ROOT / "tasks" / name, folder / "tasks" / name)
        for name in ("ledger", "methods", "sections"):
            shutil.copytree(ROOT / "tasks" / name, folder / "tasks" / name, ignore=compiled)
        self._copy(ROOT / "params.yaml", folder / "params.yaml")
        (folder / "tasks" / "toy.py").write_text(TOY)
        (folder / "tasks" / "still.py").write_text("def run(journal):\n    return {'rows': 1}\n")
        (folder / "data").mkdir()
        (folder / "data" / "rows.txt").write_text("rows")
        (folder / "dvc.yaml").write_text(GRAPH)
        (folder / ".gitignore").write_text("/.state/\n")
        self.do("git", "init", "--quiet")
        self.do(sys.executable, "-m", "dvc", "init", "--quiet")

    def do(self, *words: str, seconds: float = 120, **more: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            words,
            cwd=self.folder,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    def start(self, *words: str, **more: str) -> subprocess.Popen:
        """Starts them; with `TOY_STAYS_AT="3"` the toy stands still at step 3 until `go_on`."""
        return subprocess.Popen(
            words,
            cwd=self.folder,
            env={**self.environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def toy(self, **more: str) -> subprocess.CompletedProcess:
        return self.do(sys.executable, "-m", "tasks", "toy", **more)

    def repro(self, **more: str) -> subprocess.CompletedProcess:
        return self.do(sys.executable, "-m", "dvc", "repro", "toy", **more)

    def go_on(self) -> None:
        (self.folder / "go").touch()

    def wait_for_step(self, step: int) -> None:
        curve = self.folder / "reports" / "curves" / "toy.jsonl"
        _wait(lambda: curve.exists() and f'"step": {step},' in curve.read_text())

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def _wait(until: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def wait() -> Callable[..., None]:
    """`wait(until)` returns once until() is true."""
    return _wait


def _out(path: str, text: str | None = None) -> dict[str, Any]:
    if text is None:
        Path(path).mkdir(parents=True, exist_ok=True)
        return {"path": path, "md5": hashlib.md5(path.encode()).hexdigest() + ".dir"}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
    return {"path": path, "md5": hashlib.md5(text.encode()).hexdigest()}


@pytest.fixture
def out() -> Callable[..., dict[str, Any]]:
    """`out(path, text)` makes an output and gives it as dvc.lock has it; a folder when no text is given."""
    return _out


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "project"
    Project(folder).make()
    return folder


@pytest.fixture
def project(_made: Path, tmp_path: Path) -> Project:
    shutil.copytree(_made, tmp_path / "project")
    return Project(tmp_path / "project")


@pytest.fixture(scope="module")
def shared(_made: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project for all tests of a module."""
    folder = tmp_path_factory.mktemp("shared") / "project"
    shutil.copytree(_made, folder)
    return Project(folder)


@pytest.fixture(scope="session")
def two_creators(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A .state/ whose MLflow store two processes created at once, and what each of them said."""
    home = tmp_path_factory.mktemp("store") / ".state"
    code = "from tasks.ledger import store; client, number = store.opened(); print(number)"
    environment = {**os.environ, "GALLIM_STATE": str(home), "PYTHONPATH": str(ROOT)}
    environment.pop("MLFLOW_TRACKING_URI", None)
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    return home, [out.strip() for out, _ in said]


@pytest.fixture
def state(two_creators: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A .state/ of this test's own that has a store already (to make one takes seconds)."""
    home = tmp_path / ".state"
    shutil.copytree(two_creators[0] / "mlflow", home / "mlflow")
    monkeypatch.setenv("GALLIM_STATE", str(home))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return home
