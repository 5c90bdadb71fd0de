"""Theirs and ours timed in pairs: A B B A in one process, process CPU seconds, and the table of what came out."""

from __future__ import annotations

import gc
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch

from tasks.engine.groups import Group

WARM = 3


class Side(NamedTuple):
    """One of the two: `prepare` and `worked_on` are not timed, `run` is."""

    prepare: Callable[[int], Any]  # round -> what `run` is given
    run: Callable[[Any], Any]
    worked_on: Callable[[], list[Group]]  # the groups of the last run, with their completions


class Tokens(NamedTuple):
    """Positions of one pass: the peer's rows with padding, the same without, and ours."""

    padded: int
    valid: int
    shared: int


@dataclass
class Timing:
    """CPU seconds of every timed run, and per round what was computed on; two runs a round and side."""

    theirs: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    their_groups: list[list[Group]] = field(default_factory=list)
    our_groups: list[list[Group]] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """Theirs over ours, one a round."""
        rounds = range(0, len(self.theirs), 2)
        return [sum(self.theirs[n : n + 2]) / sum(self.ours[n : n + 2]) for n in rounds]


@dataclass
class Result:
    """One case against one setting of the peer; `floor` is the ratio that it should reach, None where none was set."""

    case: str
    against: str
    floor: float | None
    timing: Timing
    tokens: Tokens
    predicted: float  # ratio of the floating-point operations
    note: str = ""

    def cells(self) -> list[str]:
        """This line of the table."""
        ratios, found = self.timing.ratios, median(self.timing.ratios)
        return [
            self.case,
            self.against,
            "" if self.floor is None else f"{self.floor:g}",
            f"{found:.2f}",
            f"{min(ratios):.2f}-{max(ratios):.2f}",
            str(len(ratios)),
            f"{median(self.timing.theirs):.3f}",
            f"{median(self.timing.ours):.3f}",
            "/".join(map(str, self.tokens)),
            f"{self.predicted:.2f}",
            f"{found / self.predicted:.2f}",
            ("" if self.floor is None or found >= self.floor else "falls short. ") + self.note,
        ]


HEADER = [
    "case",
    "against",
    "target",
    "ratio (median)",
    "range",
    "rounds",
    "TRL s",
    "ours s",
    "tokens padded/valid/shared",
    "FLOP ratio",
    "share of it",
    "note",
]


def measure(theirs: Side, ours: Side, rounds: int, *, warm: int = WARM) -> Timing:
    """Seconds of `rounds` rounds, each theirs, ours, ours, theirs on the same work, after the warm-ups."""
    timing = Timing()
    for number in range(warm):
        for side in (theirs, ours):
            _seconds(side, number)
    for number in range(rounds):
        for side in (theirs, ours, ours, theirs):
            seconds = _seconds(side, number)
            kept, worked_on = (
                (timing.theirs, timing.their_groups) if side is theirs else (timing.ours, timing.our_groups)
            )
            kept.append(seconds)
            worked_on.append(side.worked_on())
    return timing


def _seconds(side: Side, number: int) -> float:
    prepared = side.prepare(number)
    gc.collect()
    start = time.process_time()
    side.run(prepared)
    return time.process_time() - start


def table(results: Sequence[Result]) -> str:
    """The results as a Markdown table."""
    lines = [HEADER, ["---"] * len(HEADER), *(result.cells() for result in results)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> str:
    """What this ran on, in a few Markdown lines."""
    names = ("torch", "transformers", "trl", "datasets")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return (
        f"- CPU: {_cpu()}, {torch.get_num_threads()} thread, float32\n"
        f"- Python {platform.python_version()}, {versions}\n"
        f"- process CPU seconds, A B B A in one process, {WARM} warm-ups; ratio of a round = theirs / ours"
    )


def _cpu() -> str:
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        for line in facts.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
