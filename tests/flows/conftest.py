"""A throw-away project of stages that sleep and write, as the flow finds it."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORK = """
import json, sys, time
from pathlib import Path
from tasks.ledger import environment

environment.die_with_parent()
name, seconds, fails = sys.argv[1], float(sys.argv[2]), sys.argv[3]
with open(f".state/{name}.tries", "a") as tries:
    tries.write("x")
steps = max(1, int(seconds * 10))
for step in range(1, steps + 1):
    time.sleep(seconds / steps)
    print("progress " + json.dumps({"step": step, "of": steps, "loss": 0.5}), flush=True)
print(f"{name}: written", flush=True)
if fails == "refused":
    print("gallim: pairs: too few; lower min_margin", file=sys.stderr)
    sys.exit(2)
if fails == "once" and len(Path(f".state/{name}.tries").read_text()) < 3:
    raise MemoryError("this time")
Path("out").mkdir(exist_ok=True)
Path("out", name).write_text(" ".join(sys.argv))
"""
GRAPH = """
stages:
  first:
    cmd: python work.py first 0 0
    outs: [out/first]
  branch:
    matrix: {name: [x, y]}
    cmd: python work.py branch-${item.name} ${seconds} 0
    deps: [out/first]
    outs: ["out/branch-${item.name}"]
  bad:
    cmd: python work.py bad 0 ${fails}
    meta: {retries: 1}
    deps: [out/first]
    outs: [out/bad]
  last:
    cmd: python work.py last 0 0
    deps: [out/branch-x, out/branch-y, out/bad]
    outs: [out/last]
"""


def _wait(until: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def wait() -> Callable[..., None]:
    """`wait(until)` returns once until() is true."""
    return _wait


class Project:
    """A folder with git, DVC and stages that sleep; params.yaml says how long, and how `bad` fails."""

    def __init__(self, folder: Path):
        self.folder = folder

    def make(self) -> None:
        folder = self.folder
        folder.mkdir()
        (folder / "work.py").write_text(WORK)
        (folder / "dvc.yaml").write_text(GRAPH)
        (folder / ".gitignore").write_text("/.state/\n")
        (folder / ".state").mkdir()
        self.set(seconds=0)
        subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
        subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], cwd=folder, check=True)
        subprocess.run(
            [sys.executable, "-m", "dvc", "config", "core.analytics", "false"], cwd=folder, check=True
        )

    def set(self, seconds: float, fails: str = "never") -> None:
        (self.folder / "params.yaml").write_text(f"seconds: {seconds}\nfails: {fails}\n")

    def environment(self, **more: str) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1", "PATH": path, **more}

    def alive(self) -> list[str]:
        """Command lines of the processes that work in the project."""
        found = []
        for process in Path("/proc").iterdir():
            try:
                if process.name.isdecimal() and (process / "cwd").readlink() == self.folder:
                    found.append((process / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
        return [words for words in found if words]  # a zombie has none


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "project"
    Project(folder).make()
    return folder


@pytest.fixture
def project(_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of the test's own; the test works in it."""
    shutil.copytree(_made, tmp_path / "project")
    copied = Project(tmp_path / "project")
    monkeypatch.chdir(copied.folder)
    for name, value in copied.environment().items():
        monkeypatch.setenv(name, value)
    return copied


@pytest.fixture(scope="module")
def lasting(_made: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One project for all tests of a module, in their order."""
    folder = tmp_path_factory.mktemp("flow") / "project"
    shutil.copytree(_made, folder)
    return Project(folder)
