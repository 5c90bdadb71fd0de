"""`dvc repro` of a stage, forked from a process that has imported all that DVC and the stages import.

Reading torch, transformers, MLflow and DVC takes a process some seconds, which hundreds of starts would pay again. A
start here is a fork: DVC's own main in a session of its own, and in place of the shell that DVC starts a fork of it
that is the stage, `tasks/__main__.py` with the words of its command. Nothing was computed before.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.killed import sitecustomize

ROOT = Path(__file__).resolve().parents[1]
ALONE = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
OFFLINE = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "TQDM_DISABLE": "1"}
APART = ("tasks.__main__", "tasks.people", "tasks.engine.stock")  # a page, and TRL
POLL_SECONDS = 0.02


class Host:
    """The process that forks; for one caller at a time."""

    def __init__(self, environment: Mapping[str, str]):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.forked"],
            cwd=ROOT,
            env={**environment, **ALONE, **OFFLINE},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def start(self, words: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path) -> Child:
        """`dvc` with these words, at work in the folder."""
        return Child(self, self.ask([list(words), str(folder), dict(environment), str(log)]))

    def ask(self, question: Any) -> Any:
        """The host's answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(question), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """Nothing; the host has ended."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


class Child:
    """As a subprocess.Popen, which leads its process group."""

    def __init__(self, host: Host, pid: int):
        self.pid, self.returncode = pid, None
        self._host = host

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._host.ask(self.pid)
        return self.returncode

    def wait(self, seconds: float) -> int:
        """The exit code; TimeoutExpired when it takes longer."""
        end = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("dvc", seconds)
            time.sleep(POLL_SECONDS)
        assert self.returncode is not None
        return self.returncode


class Stage:
    """In place of the shell that DVC starts: a fork, of which DVC asks what it asks of a subprocess.Popen."""

    modules: Sequence[str] = ()
    at: int | None = None
    count: str | None = None

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], cwd: str, **_: Any):
        words = shlex.split(command[-1])
        assert words[:4] == ["exec", "python", "-m", "tasks"], words
        sys.stdout.flush()
        self.returncode, self._pid = 0, os.fork()
        if not self._pid:
            _as_child(lambda: self._work(words[4:], env, cwd))

    def communicate(self) -> None:
        self.returncode = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def _work(self, words: list[str], env: Mapping[str, str], cwd: str) -> int:
        os.environ.clear()
        os.environ.update(env)
        os.chdir(cwd)
        from tasks.__main__ import main

        return _watched("tasks", lambda: main(words))


def _watched(module: str, work: Any) -> int:
    """The exit code; as bench/killed has it for a process of its own."""
    if module not in Stage.modules:
        return work()
    writes = sitecustomize.watch(Stage.at)
    code = work()
    if Stage.count is not None:
        total = writes()
        Path(f"{Stage.count}.{module}").write_text(str(total))
    return code


def _repro(words: list[str], folder: str, environment: dict[str, str], log: str) -> int:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number, handle in enumerate((os.open(os.devnull, os.O_RDONLY), said, said)):
        os.dup2(handle, number)
    at = environment.get("CHAOS_AT")
    Stage.modules, Stage.at = environment.get("CHAOS_MODULES", "").split(), int(at) if at else None
    Stage.count = environment.get("CHAOS_COUNT")
    from dvc.cli import main

    runs: Any = importlib.import_module("dvc.stage.run")
    runs.subprocess = SimpleNamespace(Popen=Stage)
    return _watched("dvc", lambda: main(words))


def _as_child(work: Any) -> None:
    """Never returns."""
    code = 1
    try:
        code = work()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _imported() -> None:
    for name in (
        "torch",
        "transformers",
        "peft",
        "mlflow",
        "pyarrow.parquet",
        "dvc.cli",
        "dvc.commands.repro",
    ):
        importlib.import_module(name)
    import tasks

    for found in pkgutil.walk_packages(tasks.__path__, "tasks."):
        if not found.name.startswith(APART):
            importlib.import_module(found.name)
    import torch

    torch.set_num_threads(1)


def main() -> None:
    """Nothing; answers a start with the child's id, and a child's id with its exit code or null."""
    _imported()
    for line in sys.stdin:
        asked = json.loads(line)
        if isinstance(asked, int):
            done, status = os.waitpid(asked, os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if done else None
        else:
            answer = os.fork()
            if not answer:
                _as_child(lambda asked=asked: _repro(*asked))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
