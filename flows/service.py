"""A server of ours as a child process: started, waited for, and gone when this process is gone."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tasks.ledger import state
from tasks.refusal import Refusal

START_SECONDS = 120.0  # a new database is 15 s of migrations, on a busy machine a multiple
STOP_SECONDS = 10.0


@dataclass
class Service:
    """`start()`, `wait()`, `stop()`; its words go to .state/logs/<name>.log."""

    name: str
    words: Sequence[str]
    health: str | None = None  # answers 200 once it is up; None for what no one asks
    settings: Mapping[str, str] = field(default_factory=dict)  # of its environment, beside ours
    _process: subprocess.Popen | None = field(default=None, init=False)

    @property
    def log(self) -> Path:
        return state.folder("logs") / f"{self.name}.log"

    def start(self) -> None:
        setpriv = shutil.which("setpriv")
        tied = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
        with self.log.open(
            "a" if self._process else "w"
        ) as log:  # started again: why it died stays to be read
            self._process = subprocess.Popen(
                [*tied, *self.words],
                env={**os.environ, **self.settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us; this one may still have something to do
            )

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wait(self, alive: Callable[[], bool] | None = None) -> None:
        """Until it answers; `alive` where it is not this process's child."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and (alive or self.alive)():
            if self.health is None or answers(self.health):
                return
            time.sleep(0.1)
        raise Refusal(self.name, "did not start", f"read {self.log}; `dvc repro` works without it")

    def stop(self) -> None:
        """SIGTERM to it and what it started, then SIGKILL to what is left."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def answers(address: str) -> bool:
    """Whether a server says there that it is well."""
    try:
        with urlopen(address, timeout=5) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False
