"""`python -m tasks check`: what would go wrong, or be wrong, before anything is trained; nothing of DVC's is changed.

Quick and structural checks come first, so that a typing error is told at once. Every stage repeats what concerns its
own inputs: `dvc repro` refuses the same without this command.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tasks import parameters
from tasks.ledger import plan
from tasks.preflight.finding import Finding, note, refused
from tasks.refusal import Refusal

STEPS = ("due", "all", "none")


def run(json_path: str | None, steps: str, if_due: bool) -> int:
    """How many failures there are. `json_path` gets the findings as JSON, `-` is standard output.

    if_due: where no stage is due, parameters and graph are all that is looked at.
    """
    from rich.console import Console

    from tasks.preflight import report

    began, found = time.perf_counter(), []
    told = _progress() if json_path != "-" else lambda text: None
    for finding in findings(steps, told, if_due):
        found.append(finding)
    seconds = time.perf_counter() - began
    told("")
    if json_path != "-":
        Console(width=None if sys.stdout.isatty() else 140).print(report.table(found, seconds))
    if json_path == "-":
        sys.stdout.write(report.written(found, seconds))
    elif json_path is not None:
        Path(json_path).write_text(report.written(found, seconds), encoding="utf-8")
    return sum(one.level == "failure" for one in found)


def findings(
    steps: str, told: Callable[[str], None] = lambda text: None, if_due: bool = False
) -> Iterator[Finding]:
    """One by one, the quickest first; with wrong parameters there is nothing else to look at."""
    told("params.yaml")
    try:
        given = parameters.read()
        entries = given.branches.entries()
        cause = f"{len(entries)} branches ({', '.join(entries)}), seeds {given.seeds}"
        yield note("parameters", "params.yaml", cause, branches=list(entries), seeds=given.seeds)
        told("dvc.yaml")
        planned = plan.read()
    except Refusal as refusal:
        yield refused("parameters", refusal)
        return
    if if_due and planned is not None and not any(one.due for one in planned.stages):
        yield note("graph", "dvc.yaml", "every stage is up to date")
        return
    yield from _looked_at(given, planned, steps, told)


def _looked_at(
    given: parameters.Parameters, planned: plan.Plan | None, steps: str, told: Callable[[str], None]
) -> Iterator[Finding]:
    from tasks.preflight import judging, pairs, rows, seen

    project = seen.Seen(given, planned)
    for name, group in (("rows", rows), ("pairs", pairs), ("judges", judging)):
        told(name)
        yield from group.findings(project)
    told("tokens")  # from here on torch and transformers are needed
    from tasks.preflight import adapters, batches, estimate, identity, texts, truncation

    _threads(given)
    for group in (texts, truncation, batches, identity, adapters):
        told(group.__name__.rpartition(".")[2])
        yield from group.findings(project)
    told("one step of every branch")
    from tasks.preflight import steps as tried

    yield from tried.findings(project, steps)
    told("time, memory and disk")
    yield from estimate.findings(project)


def _threads(given: parameters.Parameters) -> None:
    import torch

    torch.set_num_threads(given.compute.threads)


def _progress() -> Callable[[str], None]:
    """Writes what is looked at over the same line of a terminal; nothing where there is none."""
    if not sys.stderr.isatty():
        return lambda text: None

    def told(text: str) -> None:
        print(f"\r\033[Kchecking {text} ..." if text else "\r\033[K", end="", file=sys.stderr, flush=True)

    return told
