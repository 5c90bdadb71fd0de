"""How far off estimates were: each is kept until its stage has run, and held against what that took."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from statistics import median
from typing import Any

from tasks.ledger import costs, state
from tasks.preflight.finding import Finding, note
from tasks.preflight.units import span

FILE = "estimates.json"


def keep(every: Iterable[Any]) -> None:
    """Nothing; .state/estimates.json has these, so that a later check can tell how far off they were."""
    path = state.folder(".") / FILE
    now = int(1000 * time.time())
    known = kept() | {one.record: {**one._asdict(), "made": now} for one in every}
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(fresh, path)


def kept() -> dict[str, Any]:
    """The last estimate of each record made before its last run, or before its next."""
    path = state.root() / FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def errors() -> Iterator[Finding]:
    """How far the estimates were off of stages that have run since they were made."""
    known = {name: (one, costs.read(name)) for name, one in kept().items()}
    ran = {
        name: (one, told)
        for name, (one, told) in known.items()
        if told.get("started", 0) >= one["made"] and told.get("seconds")
    }
    if not ran:
        return
    guessed, took = (
        sum(values) for values in zip(*((a["seconds"], b["seconds"]) for a, b in ran.values()), strict=True)
    )
    off = [abs(one["seconds"] - told["seconds"]) / told["seconds"] for one, told in ran.values()]
    memory = [
        abs(one["memory"] - told["peak_resident_bytes"]) / told["peak_resident_bytes"]
        for one, told in ran.values()
    ]
    cause = (
        f"{len(ran)} stages took {span(took)}, estimated were {span(guessed)} ({guessed / took - 1:+.0%}); "
        f"half of them were within {median(off):.0%} in time and {median(memory):.0%} in memory"
    )
    each = {
        name: {"estimated_seconds": round(one["seconds"], 1), "seconds": told["seconds"],
               "estimated_bytes": one["memory"], "bytes": told["peak_resident_bytes"], "how": one["how"]}
        for name, (one, told) in ran.items()
    }  # fmt: skip
    yield note("estimate", ".state/estimates.json", cause, stages=each, estimated=guessed, took=took)
