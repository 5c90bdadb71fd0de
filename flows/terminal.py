"""What a person at the terminal sees of stages that run side by side: prefixed lines, and signs of life."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flows.stage_process import WAITS

SILENCE_SECONDS = 9.0
PROGRESS = "progress "
NOISE = re.compile(  # dvc's advice, which is not for this way in; the log file has it all
    r"\s*$|Running stage '|> |Updating lock file|Generating lock file|To track the changes with git|"
    r"\tgit add |To enable auto staging|\tdvc config |Use `dvc push`|Data and pipelines are up to date|"
    r"Stage '|ERROR: failed to reproduce"
)


class Terminal:
    """`with TERMINAL.at_work(stage):` while it runs; `tell` for every line that it says."""

    def __init__(self) -> None:
        self._stages: dict[str, dict[str, Any]] = {}
        self._guard = threading.Lock()
        self._clock: threading.Thread | None = None

    @contextmanager
    def at_work(self, stage: str) -> Iterator[None]:
        with self._guard:
            if self._clock is None:
                self._clock = threading.Thread(target=self._tick, name="terminal", daemon=True)
                self._clock.start()
        now = time.monotonic()
        self._stages[stage] = {"began": now, "heard": now, "progress": "", "does": "at work"}
        self.say(stage, "starts")
        try:
            yield
        finally:
            self._stages.pop(stage, None)

    def tell(self, stage: str, line: str) -> dict[str, Any] | None:
        """Shows a stage's line; gives the numbers of a progress line instead of showing it."""
        if line.startswith(PROGRESS):
            progress = _numbers(line)
            if progress and stage in self._stages:
                self._does(stage, "at work")
                self._stages[stage]["progress"] = f", step {progress['step']} of {progress['of']}"
            return progress
        if not NOISE.match(line):
            if stage in self._stages:
                self._does(stage, "waits" if line.startswith(WAITS) else "at work")
            self.say(stage, line)
        return None

    def _does(self, stage: str, what: str) -> None:
        known = self._stages[stage]
        if known["does"] != what:
            known |= {"does": what, "began": time.monotonic()}

    def say(self, stage: str, text: str) -> None:
        if stage in self._stages:
            self._stages[stage]["heard"] = time.monotonic()
        with self._guard:
            print(f"[{stage}] {text.removeprefix(record_of(stage) + ': ')}", flush=True)

    def _tick(self) -> None:
        while True:
            time.sleep(1.0)
            now = time.monotonic()
            for stage, known in list(self._stages.items()):
                if now - known["heard"] >= SILENCE_SECONDS:
                    self.say(stage, f"{known['does']}, {now - known['began']:.0f} s{known['progress']}")


TERMINAL = Terminal()


def record_of(stage: str) -> str:
    """What the stage calls itself: align-pairs@dpo-0 is align-dpo-0, as its family goes without saying."""
    name, _, of = stage.partition("@")
    return f"{name.partition('-')[0]}-{of}" if of else name


def _numbers(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line.removeprefix(PROGRESS))
    except ValueError:
        return None
    return found if isinstance(found, dict) and {"step", "of"} <= found.keys() else None
