"""What one command line asks for: a stage, and which branch, seed, fold, model or judge of it."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NoReturn

from tasks.refusal import Refusal
from tasks.settings import FAMILIES

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are Refusals."""

    def error(self, message: str) -> NoReturn:
        raise Refusal("command line", message, f"see `{self.prog} --help`")


@dataclass(frozen=True)
class Target:
    """`align --family pairs --branch dpo --seed 0`, taken apart; what was not given is None."""

    stage: str
    family: str | None = None
    branch: str | None = None
    seed: int | None = None
    fold: str | None = None
    model: str | None = None
    by: str | None = None
    labels: str | None = None

    @property
    def record(self) -> str:
        """The name of its metrics and its curve: `align-dpo-0`, `reward-a`, `evaluate-sft`."""
        parts = (self.stage, self.fold, self.branch, self.model, self.seed, self.by, self.labels)
        return "-".join(str(part) for part in parts if part is not None)

    @property
    def trained(self) -> tuple[str | None, int | None]:
        """The branch and the seed it is about; `--model dpo-0` says them in one word."""
        name, _, seed = (self.model or "").rpartition("-")
        if name and seed.isdecimal():
            return name, int(seed)
        return self.branch, self.seed

    def given(self) -> dict[str, str | int]:
        """The arguments that a stage's `run` may ask for by name."""
        return {name: value for name, value in asdict(self).items() if name != "stage" and value is not None}


def parse(words: Sequence[str]) -> Target:
    """The target of what follows `python -m tasks`."""
    parser = Parser(prog="python -m tasks", description="Run one stage of dvc.yaml.")
    parser.add_argument("stage", help="name of a file in tasks/ that has `run`")
    parser.add_argument("--family", choices=FAMILIES)
    parser.add_argument("--branch", help="an entry under branches: in params.yaml")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--fold", choices=["a", "b"])
    parser.add_argument("--model", help="sft or <branch>-<seed>")
    parser.add_argument("--by", help="an entry under duel.judges or strength.votes in params.yaml")
    parser.add_argument("--labels", choices=["given", "planted"], help="some turned on purpose, or none")
    target = Target(**vars(parser.parse_args(words)))
    for word in (target.stage, target.branch, target.model, target.by):
        if word is not None and not NAME.fullmatch(word):
            raise Refusal("command line", f"{word!r} is no name", "use letters, digits, _ and -")
    return target


def of_command(command: str) -> Target | None:
    """The target of a stage's `cmd` in dvc.lock; None when it does not call `python -m tasks`."""
    words = shlex.split(command)
    program = words[1:] if words[:1] == ["exec"] else words
    if program[1:3] != ["-m", "tasks"]:
        return None
    return parse(program[3:])
