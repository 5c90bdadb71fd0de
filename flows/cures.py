"""assets/strength.yaml: a vote on the pairs, and a branch's method on pairs that are cured by it; for measured runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from flows import branches
from tasks import parameters
from tasks.refusal import Refusal
from tasks.sections.strength import Cure, Name, Strength
from tasks.settings import Section

FILE = Path("assets/strength.yaml")
Noise = Annotated[float, Field(ge=0, lt=0.5)]


class Cures(Section):
    """What the file holds."""

    noise: Annotated[
        list[Noise], Field(min_length=1, description="levels of pairs.planted, each a run of its own")
    ]
    strength: Strength
    of: Annotated[
        str, Field(description="the branch of the family pairs whose method and settings are cured")
    ]
    cures: Annotated[dict[Name, Cure], Field(min_length=1, description="by the new branch's name")]


def read(path: Path) -> Cures:
    """The file, validated; a Refusal names every wrong place."""
    return parameters.read_as(Cures, path)


def put(found: Cures, given: dict[str, Any], planted: float) -> None:
    """Nothing; `given`, a params.yaml, has the vote, the cured branches and this share of planted noise now.

    The branches have the settings that the raw one has here: whoever puts in tuned ones does so before.
    """
    branches.family_of(given, found.of, f"{FILE}: of")
    raw = given["branches"]["pairs"].get(found.of)
    if raw is None:
        raise Refusal(f"{FILE}: of", f"{found.of} is not of the family pairs", "name one of that family")
    given["pairs"]["planted"] = planted
    given["strength"] = found.strength.model_dump()
    given["branches"]["cured"] |= {
        name: {**raw, "cure": cure.model_dump()} for name, cure in found.cures.items()
    }
