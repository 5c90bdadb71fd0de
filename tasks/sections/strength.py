"""Who votes on how strongly each pair is preferred, and how an entry of branches.cured mends them by it."""

from __future__ import annotations

from functools import cache
from inspect import signature
from types import ModuleType
from typing import Annotated, Literal

from pydantic import Field, create_model, field_validator, model_validator

from tasks.settings import Branch, Section, Seed, Share

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]


class Kfold(Section):
    """Each member votes on the one fold of prompts that it was not trained on; the stricter way."""

    kind: Literal["kfold"]
    folds: Annotated[
        int, Field(ge=2, description="of the prompts; the members are divided evenly among them")
    ]


class Ensemble(Section):
    """Each member is trained on all pairs, in an order of its own, and votes on all of them; the paper's way."""

    kind: Literal["ensemble"]


class Strength(Section):
    """Preference strength (Wang et al. 2024, arXiv 2401.06080): without any votes there is no stage of it."""

    seed: Annotated[Seed, Field(description="of folds and planted flips")]
    members: Annotated[list[Seed], Field(min_length=1, description="seeds of the reward models that vote")]
    planted: Annotated[
        float,
        Field(gt=0, lt=0.5, description="share of labels turned for the audit, in trainings of its own"),
    ]
    votes: dict[Name, Annotated[Kfold | Ensemble, Field(discriminator="kind")]]

    @field_validator("members")
    @classmethod
    def _members_differ(cls, value: list[int]) -> list[int]:
        if len(set(value)) < len(value):
            raise ValueError("a seed stands twice")
        return value

    @model_validator(mode="after")
    def _every_fold_has_as_many_members(self) -> Strength:
        for name, vote in self.votes.items():
            if isinstance(vote, Kfold) and len(self.members) % vote.folds:
                raise ValueError(
                    f"votes.{name}: {len(self.members)} members cannot be divided among {vote.folds} folds evenly"
                )
        return self


class Cure(Section):
    """What becomes of fold A's pairs, in consecutive bands of their rank by strength, from the weakest."""

    strength: Annotated[str, Field(description="the entry of strength.votes that ranks them")]
    drop: Annotated[Share, Field(description="share of all pairs that is left out, the weakest")]
    flip: Annotated[Share, Field(description="share behind those whose sides change places")]
    flip_anyway: Annotated[
        bool, Field(description="flip also by a vote that finds no more than half of the planted flips")
    ]
    smooth: Annotated[Share, Field(description="share behind those whose labels are believed less")]
    alpha: Annotated[float, Field(ge=0, lt=1, description="belief in the other order of a smoothed pair")]
    margin: Annotated[
        float,
        Field(ge=0, description="wanted of each pair, in its strengths; units of the implicit reward"),
    ]

    @model_validator(mode="after")
    def _cures_something(self) -> Cure:
        if self.drop + self.flip + self.smooth > 1 or self.drop == 1:
            raise ValueError("drop, flip and smooth are more than all pairs, or leave none")
        if bool(self.smooth) != bool(self.alpha):
            raise ValueError(
                "smooth and alpha need each other: a share of the pairs, and how little they are believed"
            )
        if self.flip_anyway and not self.flip:
            raise ValueError("flip_anyway without a flip; set it to false")
        if not (self.drop or self.flip or self.smooth or self.margin):
            raise ValueError("cures nothing; such an entry belongs under branches.pairs")
        return self


@cache
def cured_config(method: ModuleType) -> type[Branch]:
    """The method's Config with a cure, held to what the method can do with it."""

    def fits(self: Branch) -> Branch:
        cure: Cure = self.cure  # pyright: ignore[reportAttributeAccessIssue]
        if cure.margin and not has_implicit_reward(method):
            raise ValueError(
                f"method {self.method} has no implicit reward that a margin could be of; set margin: 0"
            )
        if self.optimisation.engine != "gallim":
            raise ValueError("TRL's trainers know no label of a pair's own; set engine: gallim")
        return self

    return create_model(
        method.Config.__name__,
        __base__=method.Config,
        __module__=method.__name__,
        __validators__={"_cure_fits": model_validator(mode="after")(fits)},
        cure=(Cure, ...),
    )


def has_implicit_reward(method: ModuleType) -> bool:
    """Whether its loss is of beta times a log-ratio to the reference."""
    asked = signature(method.loss).parameters
    return "beta" in method.Config.model_fields and any("reference" in name for name in asked)
