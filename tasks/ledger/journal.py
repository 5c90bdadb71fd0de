"""What a stage says while it works: its curve as a file, its progress on the terminal.

The file comes first; MLflow and Prefect are views of it. It holds no times, so that an equal training is an
equal file for DVC. DVC deletes a stage's outputs before it runs the stage again, so the lines up to the last
checkpoint are kept beside that checkpoint, in the scratch.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

CURVES = Path("reports/curves")
QUIET_SECONDS = 2.0  # between two progress lines
HUMAN_SECONDS = 5.0  # between two lines meant for people
SHOWN = 4  # numbers in such a line; trainers log a dozen


class Journal:
    """The curve and the progress of one record; `scratch` is the folder of its checkpoints, if it has any."""

    def __init__(self, record: str, scratch: Path | None = None, folder: Path = CURVES):
        self.record = record
        self.path = folder / f"{record}.jsonl"
        self.started = False
        self._kept = scratch / "curve.jsonl" if scratch else None
        self._began: tuple[float, int] | None = None
        self._shown = self._told = -math.inf
        self._audience = True

    def resume_from(self, step: int) -> None:
        """Before the first `step` of a resumed training: the lines up to its checkpoint come back."""
        self._open(_lines_until(step, self._kept or self.path))

    def step(self, step: int, of: int, **numbers: float) -> None:
        """Progress, and with numbers a line of the curve, on disk when this returns; not finite is null."""
        known = {name: _finite(value) for name, value in numbers.items()}
        lost = sorted(name for name, value in known.items() if value is None)
        if lost:
            self.say(f"warning: at step {step} not finite: {', '.join(lost)}")
        if known:
            self._record({"step": step, **known})
        now = time.monotonic()
        self._began = self._began or (now, step)
        if step >= of or now - self._shown >= QUIET_SECONDS:
            self._shown = now
            self._print("progress " + json.dumps({"step": step, "of": of, **known}))
        if step >= of or now - self._told >= HUMAN_SECONDS:
            self._told = now
            self.say(self._sentence(now, step, of, known))

    def curve(self) -> list[dict[str, Any]]:
        """The lines so far, those before a resumption included."""
        return [json.loads(line) for line in _lines_until(math.inf, self.path)] if self.started else []

    def leave_empty(self) -> None:
        """An empty curve, for a stage that could have trained and did not: DVC expects the file."""
        self._open([])

    def say(self, text: str) -> None:
        """A line for people."""
        self._print(f"{self.record}: {text}")

    def _record(self, line: dict[str, Any]) -> None:
        if not self.started:
            self._open([])
        for path in self._paths():
            with path.open("a", encoding="utf-8") as opened:
                opened.write(json.dumps(line) + "\n")

    def _open(self, lines: list[str]) -> None:
        """New files, never the old ones written again: those may be hard links into DVC's cache."""
        for path in self._paths():
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(".new")
            fresh.unlink(missing_ok=True)
            fresh.write_text("".join(lines), encoding="utf-8")
            os.replace(fresh, path)
        self.started = True

    def _paths(self) -> list[Path]:
        return [self.path, self._kept] if self._kept else [self.path]

    def _sentence(self, now: float, step: int, of: int, numbers: dict[str, Any]) -> str:
        parts = [f"step {step} of {of}"]
        parts += [f"{name} {value:.4g}" for name, value in numbers.items() if value is not None][:SHOWN]
        began, first = self._began or (now, step)
        if first < step < of:
            parts.append(f"about {(now - began) / (step - first) * (of - step):.0f} s left")
        return ", ".join(parts)

    def _print(self, line: str) -> None:
        if not self._audience:
            return
        try:
            print(line, flush=True)
        except (OSError, ValueError):  # nobody reads any more; that is no reason to lose a training
            self._audience = False
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115  (else the interpreter fails on it at exit)


def _lines_until(step: float, path: Path) -> list[str]:
    """The whole lines of a curve up to this step; a kill may have cut the last one."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]


def _finite(value: float) -> float | None:
    value = value.item() if hasattr(value, "item") else value  # type: ignore[union-attr]  (numpy, torch)
    return value if math.isfinite(value) else None
