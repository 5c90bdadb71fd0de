"""params.yaml, read once and validated into frozen sections; every field says its unit and bound."""

from __future__ import annotations

from pathlib import Path
from reprlib import Repr
from typing import Annotated, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator

from tasks.plain_yaml import loaded
from tasks.refusal import Refusal
from tasks.sections.asked import Duel, Feedback
from tasks.sections.branches import Branches
from tasks.sections.compared import Align, Compare, Evaluate
from tasks.sections.documents import Own, Prepare
from tasks.sections.iterated import Iterate
from tasks.sections.strength import Strength
from tasks.sections.trunk import Base, Judge, Pairs, Reward, Sample, Sft
from tasks.settings import Compute, Section, Seed, Text, Tuning, nearest

Known = TypeVar("Known", bound=Section)
MOST_TOLD = 30  # wrong places of one file
SHORT = Repr()  # of a value that is refused: it may be a book
SHORT.maxstring = SHORT.maxother = 200
SHORT.maxlevel, SHORT.maxlist, SHORT.maxdict = 3, 10, 10


class Parameters(Section):
    seeds: Annotated[list[Seed], Field(min_length=1)]
    compute: Compute
    own: Own
    text: Text
    prepare: Prepare
    base: Base
    sft: Sft
    sample: Sample
    judge: Judge
    pairs: Pairs
    reward: Reward
    feedback: Feedback
    iterate: Iterate
    strength: Strength
    branches: Branches
    tuning: Annotated[
        dict[str, Tuning], Field(description="by branch; who is not in it has settings by hand")
    ]
    align: Align
    evaluate: Evaluate
    duel: Duel
    compare: Compare

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, value: list[int]) -> list[int]:
        if len(set(value)) < len(value):
            raise ValueError("a seed stands twice")
        return value

    @model_validator(mode="after")
    def _tuned_branches_are_there(self) -> Parameters:
        known = self.branches.entries()
        for name in self.tuning:
            if name not in known:
                raise ValueError(f"tuning: there is no branch {name!r}; {nearest(name, known)}")
        return self

    @model_validator(mode="after")
    def _cured_by_votes_that_are_there(self) -> Parameters:
        for name, entry in self.branches.cured.items():
            wanted, known = getattr(entry, "cure").strength, self.strength.votes  # noqa: B009
            if wanted not in known:
                cure = nearest(wanted, known) if known else "add it there"
                raise ValueError(f"branches.cured.{name}.cure: strength.votes has no {wanted!r}; {cure}")
        return self

    @model_validator(mode="after")
    def _best_of_those_sampled(self) -> Parameters:
        for name, entry in self.branches.best.items():
            wanted, drawn = getattr(entry, "best_of", 0), self.sample.completions
            if wanted > drawn:
                raise ValueError(
                    f"branches.best.{name}.best_of is {wanted}, and sample.completions draws {drawn}; change one"
                )
        return self


def read(path: Path = Path("params.yaml")) -> Parameters:
    """The whole of params.yaml, validated; a Refusal names every wrong place at once."""
    return read_as(Parameters, path)


def read_as(kind: type[Known], path: Path) -> Known:
    """The same of a file of another kind."""
    return parse(kind, text_of(path), str(path))


def text_of(path: Path) -> str:
    """The file's text; a Refusal where there is none, or it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise Refusal(str(path), f"cannot be read as YAML ({error})", "mend the file") from error


def parse(kind: type[Known], text: str, place: str) -> Known:
    """The same of its text, which stands at `place`."""
    given = loaded(text, place)
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise Refusal(place, _told(error), f"mend {Path(place).name}; nothing was run") from error


def _told(error: ValidationError) -> str:
    tags = {"embedded", "files", "hub", "shipped", "scratch", "own", "train", "sampled"}
    tags |= {"judge", "reward", "endpoint", "model", "lead", "kfold", "ensemble"}
    tags |= {"ranking", "simcse", "swav", "meta", "unlabelled", "written"}
    lines = []
    for item in error.errors():
        place = [str(part) for part in item["loc"]]
        kept = [part for i, part in enumerate(place) if not (part in tags and _chosen(place[:i]))]
        kept = [part for part in kept if part != "[key]"]  # pydantic's mark of a name, not of its value
        message = item["msg"].removeprefix("Value error, ")
        shown = "" if isinstance(item["input"], dict) else f" (given: {SHORT.repr(item['input'])})"
        lines.append(f"{'.'.join(kept) or 'top level'}: {message}{shown}")
    more = [f"and {len(lines) - MOST_TOLD} more"] if len(lines) > MOST_TOLD else []
    return "; ".join([*lines[:MOST_TOLD], *more])


def _chosen(place: list[str]) -> bool:
    """Whether pydantic names a block's kind behind this place, which is no name in the file."""
    return place[-1:] in (["source"], ["teacher"], ["objective"]) or place[-2:-1] in (["sources"], ["votes"])
