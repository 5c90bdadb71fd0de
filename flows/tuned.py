"""assets/tuned.yaml: the best trial of every branch, written by `make tune`, read by `make run-all`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from flows import branches
from tasks import parameters
from tasks.settings import Section, Tuning

FILE = Path("assets/tuned.yaml")
HEADER = """\
# Written by `make tune` from {source}: of each branch the settings whose summaries of the validation split
# were the best. `make run-all` puts them into its branches once this file is committed; remove it, and they are those
# of params.yaml and assets/every-method.yaml again.
"""


class Tuned(Section):
    """What the file holds: the block `tuning` of params.yaml."""

    tuning: dict[str, Tuning]


def read(path: Path) -> dict[str, Tuning]:
    """By branch; empty where there is no such file."""
    return parameters.read_as(Tuned, path).tuning if path.exists() else {}


def write(found: Mapping[str, Tuning], path: Path, source: str) -> None:
    """A whole new file."""
    given = {"tuning": {name: one.model_dump() for name, one in found.items()}}
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w", encoding="utf-8") as opened:
        opened.write(HEADER.format(source=source))
        YAML().dump(given, opened)
    fresh.replace(path)


def put(found: Mapping[str, Tuning], given: dict[str, Any]) -> None:
    """Nothing; the branches of `given`, a params.yaml, have these settings now, and its `tuning` says so."""
    for name, one in found.items():
        place = f"{FILE}: tuning.{name}"
        entries = given["branches"][branches.family_of(given, name, place)]
        entries[name] = branches.changed(entries[name], one.settings, place)
        given["tuning"][name] = one.model_dump()
