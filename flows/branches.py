"""The branches of params.yaml and of assets/every-method.yaml, and a params.yaml with others in it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from ruamel.yaml import YAML

from tasks import parameters
from tasks.plain_yaml import loaded
from tasks.refusal import Refusal
from tasks.settings import FAMILIES, Section, Setting, nearest

MORE = Path("assets/every-method.yaml")


class More(Section):
    """What that file holds."""

    walks: Annotated[dict[str, Any], Field(description="blocks that the branches share")]
    branches: Annotated[dict[str, dict[str, Any]], Field(description="by family and name")]


def every(tree: Path) -> dict[str, Any]:
    """All of the tree's params.yaml, and the branches of every other method in it."""
    given = of_params(tree)
    return with_more(given, parameters.read_as(More, tree / MORE).branches, str(MORE))


def of_params(tree: Path) -> dict[str, Any]:
    """The tree's params.yaml as plain values; a Refusal where it is not valid."""
    path = tree / "params.yaml"
    parameters.read(path)
    return _plain(loaded(parameters.text_of(path), str(path)))


def with_more(given: dict[str, Any], more: Mapping[str, Mapping[str, Any]], place: str) -> dict[str, Any]:
    """`given`, a params.yaml, with these entries too, by family; `place` is the file they stand in."""
    for family, entries in more.items():
        if family not in FAMILIES:
            raise Refusal(f"{place}: branches", f"there is no family {family!r}", nearest(family, FAMILIES))
        given["branches"].setdefault(family, {})
        given["branches"][family] |= _plain(entries)
    return given


def family_of(given: Mapping[str, Any], name: str, place: str) -> str:
    """The family of the branch; `place` is where its name stands."""
    families = {branch: family for family, entries in given["branches"].items() for branch in entries}
    if name not in families:
        raise Refusal(place, f"there is no branch {name!r}", nearest(name, families))
    return families[name]


def changed(entry: Mapping[str, Any], settings: Mapping[str, Setting], place: str) -> dict[str, Any]:
    """A copy of the entry with these settings, by dotted name."""
    whole = _plain(entry)
    for name, value in settings.items():
        *blocks, last = name.split(".")
        inside = whole
        for block in blocks:
            inside = inside.get(block) if isinstance(inside, dict) else None
        if not isinstance(inside, dict) or last not in inside or isinstance(inside[last], dict):
            raise Refusal(f"{place}.{name}", "there is no such setting", nearest(name, names(entry)))
        inside[last] = value
    return whole


def names(entry: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The entry's settings by dotted name."""
    found = []
    for name, value in entry.items():
        found += names(value, f"{prefix}{name}.") if isinstance(value, dict) else [f"{prefix}{name}"]
    return found


def write(given: Mapping[str, Any], tree: Path) -> None:
    """Nothing; the tree's params.yaml is this now, and valid."""
    path = tree / "params.yaml"
    with path.open("w", encoding="utf-8") as opened:
        YAML().dump(_plain(given), opened)
    parameters.read(path)


def _plain(given: Any) -> Any:
    """A copy without anchors, which would stand where other values are now."""
    if isinstance(given, Mapping):
        return {name: _plain(value) for name, value in given.items()}
    return [_plain(value) for value in given] if isinstance(given, list) else given
