"""The form behind Prefect's Run button: params.yaml's own sections, with its values as what is filled in.

Every field keeps the type, the bounds and the description that tasks/sections validate by, so Prefect's server
refuses a bad value before a run exists. Of a section with several kinds (`source`) the form shows the one in use.
"""

from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model
from ruamel.yaml import YAML

from tasks.parameters import Parameters, read
from tasks.refusal import Refusal
from tasks.sections.branches import Branches
from tasks.settings import Section

EVERYTHING = "everything"
Fields = tuple[Any, Any]  # what create_model takes: an annotation and a Field


def schema(parameters: Parameters, stages: list[str], commit: str) -> dict[str, Any]:
    """JSON schema of `until`, `branches`, `seeds`, `parameters` and `commit`; stages are what `until` offers.

    commit: whose parameters these are; a constant, so that the server refuses a page that was opened before.
    """
    branches = list(parameters.branches.entries())
    fields: dict[str, Fields] = {
        "until": (
            Literal[(EVERYTHING, *stages)],
            Field(EVERYTHING, description="the last stage to run; what it needs runs before it"),
        ),
        "branches": (
            list[Literal[tuple(branches)]],
            Field(branches, min_length=1, description="those to train and compare"),
        ),
        "seeds": (
            Parameters.model_fields["seeds"].annotation,
            Field(parameters.seeds, min_length=1, description="one training a branch and seed"),
        ),
        "parameters": (_sections(parameters), Field(default_factory=dict, title="params.yaml")),
        "commit": (Literal[commit], Field(commit, description="whose params.yaml this form shows")),
    }
    return _prefects(_model("run", fields).model_json_schema(ref_template="#/definitions/{model}"))


def _sections(parameters: Parameters) -> type[BaseModel]:
    """All of params.yaml but the seeds, which the form asks for by themselves, and a record; the branches first."""
    apart = ("seeds", "branches", "tuning")
    names = ["branches", *(name for name in Parameters.model_fields if name not in apart)]
    return _model("parameters", {name: _field(parameters, name, name) for name in names})


def _form(value: Section, path: str) -> type[BaseModel]:
    """A model of the section's fields with its values as defaults."""
    if isinstance(value, Branches):
        return _model(path, {name: _family(getattr(value, name), name) for name in type(value).model_fields})
    names = sorted(type(value).model_fields, key=lambda name: isinstance(getattr(value, name), Section))
    fields = {name: _field(value, name, f"{path}.{name}") for name in names}  # blocks come last
    return _model(path, fields, type(value).__doc__)


def _family(entries: Mapping[str, Section], family: str) -> Fields:
    path = f"branches.{family}"
    fields = {name: _nested(entry, name, f"{path}.{name}") for name, entry in entries.items()}
    return _model(path, fields), Field(default_factory=dict, title=family)


def _field(section: BaseModel, name: str, path: str) -> Fields:
    """The field's own annotation, bounds and description, with the section's value as default."""
    value, info = getattr(section, name), copy(type(section).model_fields[name])
    if isinstance(value, Section):
        return _nested(value, name, path)
    info.default, info.title = value, name
    return info.annotation, info


def _nested(value: Section, name: str, path: str) -> Fields:
    return _form(value, path), Field(default_factory=dict, title=name)


def _model(path: str, fields: Mapping[str, Fields], doc: str | None = None) -> type[BaseModel]:
    given: dict[str, Any] = dict(fields)
    return create_model(path, __doc__=doc, __config__=ConfigDict(extra="forbid"), **given)


def _prefects(found: dict[str, Any]) -> dict[str, Any]:
    """As Prefect writes it: `definitions`, and the place of each field on the page."""
    found["definitions"] = found.pop("$defs", {})
    for model in (found, *found["definitions"].values()):
        for position, field in enumerate(model.get("properties", {}).values()):
            field["position"] = position
    return found


def fill_in(
    text: str,
    path: Path,
    branches: list[str] | None,
    seeds: list[int] | None,
    parameters: dict[str, Any],
) -> None:
    """Writes `text`, a params.yaml, to `path` with the form's values in it, comments kept; validates the whole."""
    yaml = YAML()
    yaml.representer.add_representer(type(None), _null)
    given = yaml.load(text)
    _overwrite(given, parameters, "")
    if seeds is not None:
        given["seeds"][:] = seeds
    if branches is not None:
        _choose(given["branches"], branches)
        for name in [name for name in given["tuning"] if name not in branches]:
            del given["tuning"][name]
    with path.open("w", encoding="utf-8") as opened:
        yaml.dump(given, opened)
    read(path)


def _choose(families: dict[str, dict[str, Any]], branches: list[str]) -> None:
    known = [name for family in families.values() for name in family]
    for name in branches:
        if name not in known:
            raise Refusal("branches", f"there is no {name!r}", f"choose of {', '.join(known)}")
    for family in families.values():
        for name in [name for name in family if name not in branches]:
            del family[name]


def _null(representer: Any, _: None) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def _overwrite(given: dict[str, Any], wanted: dict[str, Any], place: str) -> None:
    for name, value in wanted.items():
        if name not in given:
            raise Refusal(f"params.yaml: {place}{name}", "HEAD has no such parameter", "run `make deploy`")
        if isinstance(value, dict) and isinstance(given[name], dict):
            _overwrite(given[name], value, f"{place}{name}.")
        elif given[name] != value:
            given[name] = value
