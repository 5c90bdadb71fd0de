"""Numbers that go wrong on the way: what is not finite ends a training, what params.yaml limits ends it or is told.

The report has the rest, of finished models: a reward that rises while gold falls (measures/alarms.py, onset.py), texts
that never end, repeat themselves or shrink.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

import torch
from transformers import TrainerCallback, TrainerState, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from tasks.refusal import Refusal
from tasks.sections.compared import Watch

STOP = "stop"
HELD = ("loss", "grad_norm")  # numbers of every trainer's log
DIVERGED = "lower its learning_rate or its max_grad_norm"


class Sign(NamedTuple):
    """What a limit of align.watch is about: a number of the curve, and what a reader is told."""

    number: str  # as the trainers of the families online, distil and critic log it, and TRL's
    told: str
    falls: bool = False  # then the limit is a floor, as a share of the first step's


SIGNS = {
    "kl": Sign("kl", "the KL to the reference is {value:.3g} nats a token, the limit {limit:g}"),
    "equal_rewards": Sign(
        "frac_reward_zero_std",
        "{value:.0%} of prompts have answers of one reward, from which nothing is learned; the limit is {limit:.0%}",
    ),
    "cut_off": Sign(
        "completions/clipped_ratio", "{value:.0%} of answers never end; the limit is {limit:.0%}"
    ),
    "shortened": Sign(
        "completions/mean_length",
        "answers have {value:.0%} of the tokens that they had at the first step; the limit is {limit:.0%}",
        falls=True,
    ),
}


class Finite(TrainerCallback):
    """Ends a training before the step whose loss or gradient is no number: its weights stay good.

    transformers leaves a loss that is not finite out of the mean that it logs, unless it is told not to
    (training.arguments), and steps on.
    """

    def __init__(self, record: str):
        self._record = record

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: Any, model: Any = None, **_: Any
    ) -> None:
        found = [weight.grad.isfinite().all() for weight in model.parameters() if weight.grad is not None]
        if found and not torch.stack(found).all():
            self._end(args, state.global_step + 1, "a gradient is not finite")

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: Any, logs: Any = None, **_: Any
    ) -> None:
        for name in HELD:
            if not isfinite((logs or {}).get(name, 0.0)):
                self._end(args, state.global_step, f"{name} is {logs[name]}")

    def _end(self, args: TrainingArguments, step: int, cause: str) -> None:
        raise Refusal(self._record, f"at step {step} {cause}", f"{DIVERGED}; {kept(args)}")


class Limits(TrainerCallback):
    """Ends a training at the first line of its curve that reaches a limit whose `then` is stop."""

    def __init__(self, record: str, watch: Watch):
        self._record, self._watch = record, watch
        self._first: dict[str, float] = {}

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: Any, **_: Any) -> None:
        """A resumed training remembers its first line."""
        if state.log_history:
            self._first = state.log_history[0]

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: Any, logs: Any = None, **_: Any
    ) -> None:
        self._first = self._first or dict(logs or {})
        for name, value in reached(self._watch, self._first, logs or {}).items():
            limit = getattr(self._watch, name)
            if limit.then == STOP:
                told = SIGNS[name].told.format(value=value, limit=limit.limit)
                cure = f"lower its learning_rate or raise its beta, or let align.watch.{name} flag it; {kept(args)}"
                raise Refusal(self._record, f"at step {state.global_step} {told}", cure)


def flagged(watch: Watch, curve: Sequence[Mapping[str, Any]]) -> dict[str, float | int]:
    """Of each limit that is reached: flagged_<name>, its worst value, and flagged_<name>_step, the first step."""
    found: dict[str, float | int] = {}
    for line in curve:
        for name, value in reached(watch, curve[0], line).items():
            worst = min if SIGNS[name].falls else max
            found[f"flagged_{name}"] = round(worst(found.get(f"flagged_{name}", value), value), 6)
            found.setdefault(f"flagged_{name}_step", line["step"])
    return found


def reached(watch: Watch, first: Mapping[str, Any], line: Mapping[str, Any]) -> dict[str, float]:
    """By name the limits that a line of the curve reaches, each with its value; `first` is the curve's first line."""
    found = {}
    for name, sign in SIGNS.items():
        limit, value = getattr(watch, name), line.get(sign.number)
        if limit is None or value is None:
            continue
        if sign.falls:
            value = value / max(first[sign.number], 1e-9)
        if value <= limit.limit if sign.falls else value >= limit.limit:
            found[name] = value
    return found


def kept(args: TrainingArguments) -> str:
    """Where the last good checkpoint lies, in words."""
    last = get_last_checkpoint(str(args.output_dir))
    return f"its last good checkpoint is kept: {last}" if last else "it had no checkpoint yet"
