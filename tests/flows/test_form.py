"""The form: params.yaml's own bounds and descriptions, and what is filled in back in the file."""

from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from flows import form
from tasks import parameters
from tasks.refusal import Refusal

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "params.yaml").read_text()
SCHEMA = form.schema(parameters.read(ROOT / "params.yaml"), ["sft", "compare"], "abc123")


def values(text: str) -> dict:
    return YAML(typ="safe", pure=True).load(text)


def defaults(schema: dict) -> dict:
    """What the form shows before anyone touches it."""
    if "$ref" in schema:
        schema = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]]
    if "properties" not in schema:
        return schema.get("default", schema.get("const"))
    return {name: defaults(field) for name, field in schema["properties"].items()}


def leaves(schema: dict, place: tuple = ()):
    if "$ref" in schema:
        schema = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]]
    for name, field in schema.get("properties", {}).items():
        yield from leaves(field, (*place, name))
    if "properties" not in schema:
        yield place, schema


def refuses(given: dict) -> bool:
    schema = {**SCHEMA, "$defs": SCHEMA["definitions"]}
    return not jsonschema.Draft202012Validator(schema).is_valid(given)


def nested(place: tuple, value) -> dict:
    for name in reversed(place):
        value = {name: value}
    return value


def test_untouched_it_is_params_yaml(tmp_path):
    shown = defaults(SCHEMA)
    expected = values(TEXT)
    seeds = expected.pop("seeds")
    expected.pop("tuning")  # a record, and nothing to fill in
    assert shown == {
        "until": "everything",
        "branches": ["dpo", "rloo"],
        "seeds": seeds,
        "parameters": expected,
        "commit": "abc123",
    }
    form.fill_in(TEXT, tmp_path / "params.yaml", shown["branches"], seeds, shown["parameters"])
    assert (tmp_path / "params.yaml").read_text() == TEXT


def test_every_bounded_number_of_it_has_its_bound():
    bounded = 0
    for place, field in leaves(SCHEMA):
        if "minimum" in field or "exclusiveMinimum" in field:
            bounded += 1
            low = field.get("minimum", field.get("exclusiveMinimum"))
            assert refuses(nested(place, low - 1)), place
    assert bounded > 50


def test_every_field_refuses_another_type_and_no_section_takes_an_unknown_name():
    for place, field in leaves(SCHEMA):
        assert refuses(nested(place, {"no": "such"})), (place, field)
    for place in (("parameters",), ("parameters", "sft"), ("parameters", "branches", "pairs", "dpo")):
        assert refuses(nested((*place, "sauce"), 1)), place


def test_a_page_of_another_commit_is_refused():
    assert not refuses({"commit": "abc123"})
    assert refuses({"commit": "abc124"})


def test_fields_say_what_params_py_says_of_them():
    fields = dict(leaves(SCHEMA))
    told = fields["parameters", "branches", "pairs", "dpo", "beta"]
    assert told["default"] == 0.5
    assert told["description"] == "strength of the pull to the SFT model"
    assert (told["exclusiveMinimum"], told["maximum"]) == (0, 10)


def test_what_is_chosen_and_changed_is_written_and_the_rest_stays_with_its_comments(tmp_path):
    path = tmp_path / "params.yaml"
    form.fill_in(TEXT, path, ["dpo"], [3], {"branches": {"pairs": {"dpo": {"beta": 0.3}}}})
    found, expected = values(path.read_text()), values(TEXT)
    expected["seeds"] = [3]
    expected["branches"]["pairs"]["dpo"]["beta"] = 0.3
    expected["branches"]["online"] = {}
    assert found == expected
    assert "# one training a branch and seed" in path.read_text()


def test_a_branch_that_is_not_chosen_leaves_the_record_of_its_tuning_with_it(tmp_path):
    one = "{trials: 3, split: validation, seed: 100, measure: gold, best: 0.6, settings: {}}"
    text = TEXT.replace("tuning: {}", f"tuning: {{dpo: {one}, rloo: {one}}}")
    form.fill_in(text, tmp_path / "params.yaml", ["dpo"], None, {})
    assert values((tmp_path / "params.yaml").read_text())["tuning"].keys() == {"dpo"}


@pytest.mark.parametrize(
    ("branches", "changed", "said"),
    [
        (["ipo"], {}, "branches: there is no 'ipo'; choose of dpo, rloo"),
        (None, {"sft": {"sauce": 1}}, r"params.yaml: sft.sauce: HEAD has no such parameter"),
        (None, {"text": {"template": "no document"}}, "text.template: must hold {document} exactly once"),
    ],
)
def test_what_the_schema_cannot_know_is_refused_in_words(tmp_path, branches, changed, said):
    with pytest.raises(Refusal, match=said):
        form.fill_in(TEXT, tmp_path / "params.yaml", branches, None, changed)
