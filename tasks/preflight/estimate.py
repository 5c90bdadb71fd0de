"""Seconds, memory and disk of every stage that is due, before it runs, against what the machine has."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from tasks.ledger import costs, device, state
from tasks.ledger.plan import Planned
from tasks.preflight import hindsight, machine, miniature, speed, units, work
from tasks.preflight.finding import Finding, failure, not_yet, note, warning
from tasks.preflight.seen import Seen
from tasks.preflight.speed import Speed

FLOAT, ADAM = 4, 16  # bytes a parameter: of weights alone; with gradient and two moments
PER_TEXT = {  # seconds a text of stages whose work is no model's, one core of the machine that docs/preflight.md names
    "prepare": 2.0e-3,
    "judge": 4.0e-4,
    "pairs": 5.0e-4,
    "evaluate": 1.5e-2,
    "compare": 2.0e-3,
}
REMEMBERED = ("its last run here", "its other seeds here")
ACTIVATIONS = (
    68  # bytes a token, layer and unit of width, in float32 (Korthikanti et al. 2022, arXiv 2205.05198)
)
LOGITS = 3  # copies of a batch's logits: they, their softmax, their gradient
TREE = 0.9  # of what is free, which an estimate may fill before it is a failure


class Estimate(NamedTuple):
    """Of one stage's run: seconds alone on its cores, the most bytes it holds, those it leaves on disk; and why."""

    record: str
    seconds: float
    memory: int
    disk: int
    how: str


def findings(seen: Seen) -> Iterator[Finding]:
    """Of all stages that are due, beside what the machine has; the figures of each stage are in `numbers`."""
    yield from hindsight.errors()
    due = [one for one in seen.plan.stages if one.due] if seen.plan is not None else []
    if not due:
        if seen.plan is not None:
            yield note("estimate", "dvc.yaml", "every stage is up to date: nothing is to be spent")
        return
    every = all_of(seen, due)
    if every is None:
        cause = "there are no rows or no model to count by"
        yield not_yet(
            "estimate", "dvc.yaml", cause, "`python -m tasks check` after the stages prepare and base"
        )
        return
    hindsight.keep(every)
    yield from _time(seen, due, every)
    yield from _memory(seen, due, every)
    yield from _disk(seen, every)


def all_of(seen: Seen, due: Iterable[Planned]) -> list[Estimate] | None:
    """Of each due stage: what it took here before, else by the tokens it has to work on."""
    size = work.sizes(seen)
    if size is None:
        return None
    compute, quick = seen.given.compute.model_dump(), speed.measured(seen)
    parameters, found = miniature.parameters_of(seen.config), []
    for one in due:
        threads = device.threads(one.target.stage, compute)
        todo = work.of(one.target, seen, size)
        made = _computed(one, todo, speed.by(threads, quick), seen, parameters, size)
        found.append(_remembered(one, made))
    return found


def _computed(
    one: Planned, todo: work.Work, quick: Speed, seen: Seen, parameters: int, size: work.Sizes
) -> Estimate:
    began = machine.STARTED if todo.frozen or todo.trained else 1.0
    seconds = began + todo.train * quick.train + todo.score * quick.score + todo.draw * quick.draw
    seconds += todo.texts * PER_TEXT.get(one.target.stage, 0)
    kept = one.bytes if one.bytes is not None else _bytes(one, todo, parameters, size)
    return Estimate(one.target.record, seconds, _held(todo, seen, parameters), kept, quick.how)


def _bytes(one: Planned, todo: work.Work, parameters: int, size: work.Sizes) -> int:
    """On disk: the models; of a training two checkpoints besides, on its way; rows at three bytes a token."""
    rows = {"prepare": size.train + size.held_out, "sample": todo.draw / max(size.summary, 1)}
    rows |= {"pairs": 2 * sum(size.pairs.values()), "judge": 2 * todo.texts, "evaluate": 8 * todo.texts}
    text = 3 * rows.get(one.target.stage, 0) * (size.prompt + size.summary)
    checkpoints = 2 * (ADAM - FLOAT) * parameters * todo.trained
    return int(todo.kept * FLOAT * parameters + checkpoints + text)


def _held(todo: work.Work, seen: Seen, parameters: int) -> int:
    """In memory at once: this process after its imports, the models, and the activations of a pass."""
    if not todo.trained and not todo.frozen:
        return machine.resident() // 2
    config = seen.config.get_text_config()
    tokens = min(seen.given.compute.tokens_at_once, todo.batch or 8192)
    layers = (
        ACTIVATIONS * config.num_hidden_layers * config.hidden_size
        if todo.trained
        else config.hidden_size * 8
    )
    batch = tokens * (layers + LOGITS * FLOAT * config.vocab_size * (0.3 if todo.trained else 0.1))
    return int(machine.resident() + parameters * (ADAM * todo.trained + FLOAT * todo.frozen) + batch)


def _remembered(one: Planned, made: Estimate) -> Estimate:
    """The same with what this stage, or the same branch's other seeds, took here before."""
    told = costs.read(one.target.record)
    how = REMEMBERED[0]
    if not told and one.target.stage in ("align", "evaluate"):
        branch, _ = one.target.trained
        told, how = _mean(f"{one.target.stage}-{branch}-*.json"), REMEMBERED[1]
    if not told.get("seconds"):
        return made
    memory = int(told.get("peak_resident_bytes") or made.memory)
    return made._replace(seconds=float(told["seconds"]), memory=memory, how=how)


def _mean(pattern: str) -> dict[str, float]:
    found = [json.loads(path.read_text()) for path in (state.root() / "costs").glob(pattern)]
    found = [one for one in found if one.get("seconds")]
    if not found:
        return {}
    return {name: fmean(one[name] for one in found) for name in ("seconds", "peak_resident_bytes")}


def _time(seen: Seen, due: list[Planned], every: list[Estimate]) -> Iterator[Finding]:
    every_slot = device.all_slots(seen.given.compute.device)
    slots, timed = len(every_slot), all(one.how in REMEMBERED for one in every)
    if None not in every_slot.values() and not timed:  # GPUs, and what is timed here is this process's cores
        cause = "nobody has timed all of these stages on this GPU"
        yield not_yet("time", "dvc.yaml", cause, "`python -m tasks check` after a first run")
        return
    wall = machine.scheduled(
        {one.name: (one.needs, estimate.seconds) for one, estimate in zip(due, every, strict=True)},
        {one.name: device.threads(one.target.stage, seen.given.compute.model_dump()) for one in due},
        slots,
    )
    total = sum(one.seconds for one in every)
    how = sorted({one.how for one in every})
    cause = f"about {units.span(wall)} for {len(every)} stages, {slots} at once"
    cause += f" ({units.span(total)} one after the other); by {'; '.join(how)}"
    numbers = {one.record: {**one._asdict(), "seconds": round(one.seconds, 1)} for one in every}
    yield note(
        "time", "dvc.yaml", cause, wall_seconds=round(wall, 1), seconds=round(total, 1), stages=numbers
    )
    longest = sorted(every, key=lambda one: -one.seconds)[:5]
    told = ", ".join(f"{one.record} {units.span(one.seconds)}" for one in longest)
    yield note("time", "dvc.yaml", f"the longest: {told}")


def _memory(seen: Seen, due: list[Planned], every: list[Estimate]) -> Iterator[Finding]:
    every_slot = device.all_slots(seen.given.compute.device)
    gpu = None not in every_slot.values()
    total, free = machine.gpu_memory() if gpu else machine.memory()
    slots = 1 if gpu else len(every_slot)  # one stage a GPU
    most = max(every, key=lambda one: one.memory)
    beside = sum(sorted((one.memory for one in every), reverse=True)[:slots])
    numbers = {
        "most_bytes": most.memory,
        "together_bytes": beside,
        "machine_bytes": total,
        "free_bytes": free,
    }
    cause = f"{most.record} needs about {units.size(most.memory)}, {slots} at once {units.size(beside)}"
    cause += f"; this machine has {units.size(total)}, of which {units.size(free)} are free"
    cure = "lower compute.tokens_at_once or batch_size, use lora, or set GALLIM_CPU_SLOTS=1"
    if most.memory > total:
        yield failure("memory", most.record, cause, cure, **numbers)
    elif beside > free:
        yield warning("memory", most.record, cause, cure, **numbers)
    else:
        yield note("memory", most.record, cause, **numbers)


def _disk(seen: Seen, every: list[Estimate]) -> Iterator[Finding]:
    copies = seen.plan.copies if seen.plan is not None else 1
    wanted, free = copies * sum(one.disk for one in every), machine.disk(Path.cwd())
    numbers = {"wanted_bytes": wanted, "free_bytes": free}
    cause = f"about {units.size(wanted)} for {len(every)} stages' outputs in tree and cache"
    cause += f", {units.size(free)} are free"
    cure = "make room, for instance by `dvc gc --workspace`, or set align.snapshots: 0"
    if wanted > free:
        yield failure("disk", str(Path.cwd()), cause, cure, **numbers)
    elif wanted > TREE * free:
        yield warning("disk", str(Path.cwd()), cause, cure, **numbers)
    else:
        yield note("disk", str(Path.cwd()), cause, **numbers)
