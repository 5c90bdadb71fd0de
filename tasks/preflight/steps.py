"""One real step of every branch on a two-layer copy of the model: its identity, its loss, its gradient."""

from __future__ import annotations

import io
import math
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from tasks.ledger.journal import Journal
from tasks.ledger.signature import Signature
from tasks.ledger.target import Target
from tasks.preflight import miniature
from tasks.preflight.finding import Finding, failure, not_yet, note, refused
from tasks.preflight.seen import Seen
from tasks.refusal import Refusal
from tasks.settings import FAMILIES, Branch

TASKS = Path(__file__).resolve().parents[1]


def findings(seen: Seen, wanted: str) -> Iterator[Finding]:
    """wanted: `due` for branches with a training to do, `all`, or `none`."""
    entries = _entries(seen, wanted)
    if not entries:
        if wanted == "due" and seen.plan is not None:
            yield note("step", "branches", "no branch has a training to do; `--steps all` tries each anyway")
        return
    if seen.start is None or not seen.splits:
        cause = "there is no model or there are no rows yet to try a step with"
        yield not_yet("step", ", ".join(entries), cause, "the stage align, at its first step")
        return
    try:
        with quiet(), miniature.made(seen, entries):
            found = [_step(family, name) for name, (family, _) in entries.items()]
    except Refusal as refusal:
        found = [refused("step", refusal)]
    yield from found


@contextmanager
def quiet() -> Iterator[None]:
    """What stages and libraries say of a miniature is nobody's concern."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.set_verbosity(level)


def _entries(seen: Seen, wanted: str) -> dict[str, tuple[str, Branch]]:
    every = {
        name: (family, entry)
        for family in FAMILIES
        for name, entry in getattr(seen.given.branches, family).items()
    }
    if wanted == "none":
        return {}
    if wanted == "all" or seen.plan is None:
        return every
    due = {one.target.branch for one in seen.plan.stages if one.due and one.target.stage == "align"}
    return {str(name): found for name, found in every.items() if name in due}


def _step(family: str, name: str) -> Finding:
    """What the stage align makes of it; the working directory is the miniature."""
    target, place = Target("align", family, name, 0), f"branches.{family}.{name}"
    scratch = Path(f".scratch/{name}")
    scratch.mkdir(parents=True)
    journal, began = Journal(target.record, scratch), time.perf_counter()
    try:
        told = Signature(target, TASKS).call(journal=journal, scratch=scratch) or {}
    except Refusal as refusal:
        return failure("step", f"{place}: {refusal.place}", refusal.cause, refusal.cure)
    except Exception as error:
        cause = f"its first step ends with {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return failure("step", place, cause, "mend its entry or its method; a full training would end so")
    return judged(place, told, journal.curve(), time.perf_counter() - began)


def judged(place: str, told: dict[str, Any], curve: list[dict[str, Any]], seconds: float) -> Finding:
    """The finding of a step that came to its end."""
    first = curve[0] if curve else {}
    loss, gradient = first.get("loss"), first.get("grad_norm")
    numbers = {"loss": loss, "grad_norm": gradient, "seconds": round(seconds, 2)}
    lost = [name for name, value in first.items() if value is None or not math.isfinite(value)]
    if loss is None or lost:
        cause = f"not finite at the first step: {', '.join(lost) or 'loss'}"
        return failure("step", place, cause, "lower its learning_rate or its coefficients", **numbers)
    if not gradient or told.get("weights_sha256") == told.get("start_sha256"):
        cause = f"its first step moves nothing (gradient {gradient})"
        return failure("step", place, cause, "look at its coefficients: nothing would be learned", **numbers)
    cause = (
        f"one step on two layers: loss {loss:.4g}, gradient {gradient:.3g}, identity holds ({seconds:.1f} s)"
    )
    return note("step", place, cause, **numbers)
