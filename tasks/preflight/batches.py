"""Batches that cannot be made: of completions in groups, of prompts that are not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq

from tasks.preflight.finding import Finding, asked
from tasks.preflight.miniature import PAIRS
from tasks.preflight.seen import Seen


def findings(seen: Seen) -> Iterator[Finding]:
    """As the stages would refuse them; of entries whose method draws its own summaries."""
    from tasks.engine.families import critic, online

    given = seen.given.branches
    if not given.online and not given.critic:
        return
    prompts = _prompts(seen)
    for family, entries in (("online", given.online), ("critic", given.critic)):
        for entry in entries.values():
            job: Any = SimpleNamespace(entry=entry, common={}, _replace=lambda **_: None)
            yield from asked("batch", lambda job=job: online.in_prompts(job, prompts))
            if family == "critic":
                yield from asked("batch", lambda entry=entry: critic.require_whole_rollouts(entry))


def _prompts(seen: Seen) -> int:
    """Of fold A; as many as anyone asks for while nobody knows."""
    if not seen.current("pairs", Path(PAIRS)):
        return 2**31
    return len(set(pq.read_table(PAIRS, columns=["prompt"]).column("prompt").to_pylist()))
