"""The block `branches`: every entry is read by the Config of its own method."""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import signature
from itertools import pairwise
from types import ModuleType
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, SerializeAsAny, model_validator

from tasks import methods
from tasks.refusal import Refusal
from tasks.sections.iterated import iterated_config
from tasks.sections.strength import cured_config
from tasks.settings import FAMILIES, Branch, Section, nearest

# families that have others' methods, and those of them whose entries have more to say
READS = {"feedback": ("pairs",), "cured": ("pairs",), "iterated": ("pairs", "taught")}
MORE = {"cured": cured_config, "iterated": iterated_config}
RESERVED = frozenset({"base", "sft", "reward", "methods", "own"})


def _name(given: str) -> str:
    """The branch's name, as it stands in file names."""
    if given in RESERVED or not re.fullmatch(r"[A-Za-z0-9_]{1,80}", given):
        raise ValueError(f"letters, digits and _ only, and not one of {', '.join(sorted(RESERVED))}")
    return given


def _of_family(family: str) -> Callable[[Any], Branch]:
    """Reads an entry by the Config of its own method."""

    def entry(given: Any) -> Branch:
        if not isinstance(given, dict) or not isinstance(given.get("method"), str):
            raise ValueError("needs `method:`, the name of a file in tasks/methods")
        try:
            method = methods.load(given["method"])
        except Refusal as refusal:
            raise ValueError(f"{refusal.cause}; {refusal.cure}") from refusal
        if family == "base":
            _without_reference(method)
        elif method.FAMILY not in READS.get(family, (family,)):
            raise ValueError(f"method {given['method']} belongs under branches.{method.FAMILY}")
        config = MORE[family](method) if family in MORE else method.Config
        found = config.model_validate(given)
        if found.optimisation.engine == "trl" and not hasattr(method, "trl_arguments"):
            raise ValueError(f"TRL has no trainer of {found.method}; set engine: gallim")
        return found

    return entry


def _without_reference(method: ModuleType) -> None:
    """Nothing, or an error: what starts from the base has models/sft neither behind it nor beside it."""
    if method.FAMILY != "pairs" or any("reference" in name for name in signature(method.loss).parameters):
        name = method.__name__.rpartition(".")[2]
        raise ValueError(
            f"method {name} compares with models/sft and cannot start from the base; "
            f"move it to branches.{method.FAMILY}"
        )


Name = Annotated[str, AfterValidator(_name)]
PairsEntry = Annotated[SerializeAsAny[Branch], BeforeValidator(_of_family("pairs"))]
BaseEntry = Annotated[SerializeAsAny[Branch], BeforeValidator(_of_family("base"))]
FeedbackEntry = Annotated[SerializeAsAny[Branch], BeforeValidator(_of_family("feedback"))]
CuredEntry = Annotated[SerializeAsAny[Branch], BeforeValidator(_of_family("cured"))]
UnpairedEntry = Annotated[SerializeAsAny[Branch], BeforeValidator(_of_family("unpaired"))]
BestEntry = Annotated[SerializeAsAny[Branch], BeforeValidator(_of_family("best"))]
OnlineEntry = Annotated[SerializeAsAny[Branch], BeforeValidator(_of_family("online"))]
DistilEntry = Annotated[SerializeAsAny[Branch], BeforeValidator(_of_family("distil"))]
TaughtEntry = Annotated[SerializeAsAny[Branch], BeforeValidator(_of_family("taught"))]
IteratedEntry = Annotated[SerializeAsAny[Branch], BeforeValidator(_of_family("iterated"))]
CriticEntry = Annotated[SerializeAsAny[Branch], BeforeValidator(_of_family("critic"))]


class Branches(Section):
    """The entries to compare, by family: what a family's methods read."""

    pairs: dict[Name, PairsEntry]
    base: dict[Name, BaseEntry]
    feedback: dict[Name, FeedbackEntry]
    cured: dict[Name, CuredEntry]
    unpaired: dict[Name, UnpairedEntry]
    best: dict[Name, BestEntry]
    online: dict[Name, OnlineEntry]
    distil: dict[Name, DistilEntry]
    critic: dict[Name, CriticEntry]
    taught: dict[Name, TaughtEntry]
    iterated: dict[Name, IteratedEntry]

    @model_validator(mode="after")
    def _names_differ(self) -> Branches:
        names = sorted(name for family in FAMILIES for name in getattr(self, family))
        twice = [one for one, other in pairwise(names) if one == other]
        if twice:
            raise ValueError(f"the name {twice[0]!r} stands in two families; rename one")
        return self

    @model_validator(mode="after")
    def _iterations_begin_somewhere(self) -> Branches:
        for name in self.iterated:
            seen = [name]
            while (after := self.iterated[seen[-1]].after) in self.iterated:  # pyright: ignore
                if after in seen:
                    raise ValueError(
                        f"iterated.{name}: goes on from itself ({' after '.join([*seen, after])})"
                    )
                seen.append(after)
            if after != "sft" and after not in self.taught:
                known = ["sft", *self.taught, *self.iterated]
                raise ValueError(f"iterated.{seen[-1]}.after: there is no {after!r}; {nearest(after, known)}")
        return self

    def family(self, name: str) -> str:
        """Where this branch stands."""
        return next(family for family in FAMILIES if name in getattr(self, family))

    def entries(self) -> dict[str, Branch]:
        """Every branch by name, in the order of params.yaml."""
        return {name: entry for family in FAMILIES for name, entry in getattr(self, family).items()}
