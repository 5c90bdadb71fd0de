"""params.yaml: what is wrong is told in one line, by place, with its cure, and all of it at once."""

import copy
import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tasks import parameters
from tasks.methods import dpo
from tasks.refusal import Refusal

ROOT = Path(__file__).resolve().parents[1]
GIVEN = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
END = "; mend params.yaml; nothing was run"


def at(given, place):
    for name in place.split("."):
        given = given[int(name) if isinstance(given, list) else name]
    return given


@pytest.fixture
def told(tmp_path):
    """What is said of the repository's params.yaml after a change."""

    def say(change):
        given = json.loads(json.dumps(GIVEN))
        change(given)
        path = tmp_path / "params.yaml"
        with path.open("w", encoding="utf-8") as file:
            YAML().dump(given, file)
        with pytest.raises(Refusal) as refused:
            parameters.read(path)
        said = str(refused.value)
        assert "\n" not in said
        assert said.startswith(f"{path}: ")
        assert said.endswith(END)
        return said.removeprefix(f"{path}: ").removesuffix(END)

    return say


def put(place, value):
    """A change that sets one field."""
    block, _, name = place.rpartition(".")

    def change(given):
        (at(given, block) if block else given)[name] = value

    return change


def drop(place):
    block, _, name = place.rpartition(".")

    def change(given):
        del (at(given, block) if block else given)[name]

    return change


def rename(place, name):
    block, _, old = place.rpartition(".")

    def change(given):
        inside = at(given, block) if block else given
        inside[name] = inside.pop(old)

    return change


def test_the_repositorys_own_params_are_valid():
    read = parameters.read(ROOT / "params.yaml")
    assert isinstance(read.branches.pairs["dpo"], dpo.Config)
    assert (
        read.branches.entries().keys()
        == GIVEN["branches"]["pairs"].keys() | GIVEN["branches"]["online"].keys()
    )


def test_the_params_of_the_real_data_example_are_valid():
    parameters.read(ROOT / "docs/real-data.params.yaml")


def test_what_was_read_cannot_be_changed():
    read = parameters.read(ROOT / "params.yaml")
    with pytest.raises(ValueError, match="frozen"):
        read.text.max_completion_tokens = 5


def test_a_branchs_own_coefficients_are_among_what_is_written_down():
    """The stage compare is given all branches: its record would else not know beta."""
    written = parameters.read(ROOT / "params.yaml").branches.model_dump(mode="json")
    assert written == GIVEN["branches"]


@pytest.mark.parametrize(
    ("place", "wrong", "said"),
    [
        ("evaluate", "evalute", "top level: unknown parameter 'evalute'; did you mean 'evaluate'?"),
        ("compute.threads", "treads", "compute: unknown parameter 'treads'; did you mean 'threads'?"),
        (
            "branches.pairs.dpo.beta",
            "bta",
            "branches.pairs.dpo: unknown parameter 'bta'; did you mean 'beta'?",
        ),
        (
            "branches.pairs.dpo.optimisation.steps",
            "step",
            "branches.pairs.dpo.optimisation: unknown parameter 'step'; did you mean 'steps'?",
        ),
        (
            "sft.source.optimisation.batch_size",
            "batchsize",
            "sft.source.optimisation: unknown parameter 'batchsize'; did you mean 'batch_size'?",
        ),
        ("judge.kind", "zzz", "judge: unknown parameter 'zzz'; known are kind"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest(place, wrong, said, told):
    assert told(rename(place, wrong)) == said


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (
            "branches.pairs.dpo.beta",
            "much",
            "branches.pairs.dpo.beta: Input should be a valid number (given: 'much')",
        ),
        ("branches.pairs.dpo.beta", 0, "branches.pairs.dpo.beta: Input should be greater than 0 (given: 0)"),
        (
            "branches.online.rloo.completions",
            1,
            "branches.online.rloo.completions: Input should be greater than or",
        ),
        (
            "branches.online.rloo.reward",
            "best",
            "branches.online.rloo.reward: Input should be 'model' or 'judge'",
        ),
        (
            "branches.online.rloo.optimisation.steps",
            1.5,
            "branches.online.rloo.optimisation.steps: Input should be a",
        ),
        ("compute.threads", "2", "compute.threads: Input should be a valid integer (given: '2')"),
        ("compute.threads", True, "compute.threads: Input should be a valid integer (given: True)"),
        (
            "evaluate.split",
            "train",
            "evaluate.split: Input should be 'validation' or 'test' (given: 'train')",
        ),
        ("seeds", [], "seeds: List should have at least 1 item"),
        ("seeds", [0, 1, 0], "seeds: a seed stands twice (given: [0, 1, 0])"),
        ("seeds", [-1], "seeds.0: Input should be greater than or equal to 0 (given: -1)"),
        ("text.template", "요약:", "text.template: must hold {document} exactly once (given: '요약:')"),
        ("text", None, "text: Input should be a valid dictionary"),
        ("branches.pairs", [1], "branches.pairs: Input should be a valid dictionary"),
        ("branches.pairs.dpo", 3, "branches.pairs.dpo: needs `method:`, the name of a file in tasks/methods"),
        ("pairs.fold_b", 1.0, "pairs.fold_b: Input should be less than 1 (given: 1.0)"),
        (
            "prepare.source",
            {"kind": "embeded"},
            "prepare.source: Input tag 'embeded' found using 'kind' does not match",
        ),
        (
            "base.source",
            {"kind": "hub", "id": "a/b", "revision": "main"},
            "base.source.revision: String should match pattern '^[0-9a-f]{40}$' (given: 'main')",
        ),
    ],
)
def test_a_wrong_value_is_told_with_its_place_and_what_was_given(place, value, said, told):
    assert told(put(place, value)).startswith(said)


@pytest.mark.parametrize(
    "place",
    ["compare", "text.instruction", "branches.pairs.dpo.beta", "branches.online.rloo.optimisation.lora"],
)
def test_a_missing_field_is_told(place, told):
    assert told(drop(place)) == f"{place}: Field required"


def test_a_name_in_two_families_is_refused(told):
    change = put("branches.online.dpo", copy.deepcopy(GIVEN["branches"]["online"]["rloo"]))
    assert told(change) == "branches: the name 'dpo' stands in two families; rename one"


@pytest.mark.parametrize("name", ["base", "sft", "reward", "methods", "own", "dpo-2", "a.b", "요약", ""])
def test_a_name_that_is_no_file_name_or_another_models_is_refused(name, told):
    said = told(rename("branches.pairs.dpo", name))
    assert said.startswith(
        f"branches.pairs.{name}: letters, digits and _ only, and not one of base, methods, own, "
    )


def test_a_name_that_is_a_number_is_refused(told):
    assert told(rename("branches.pairs.dpo", 7)).startswith(
        "branches.pairs.7: Input should be a valid string"
    )


def test_a_method_under_another_family_is_told_where_it_belongs(told):
    change = put("branches.online.other", copy.deepcopy(GIVEN["branches"]["pairs"]["dpo"]))
    assert told(change).startswith("branches.online.other: method dpo belongs under branches.pairs")


def test_an_unknown_method_is_told_with_the_nearest(told):
    said = told(put("branches.pairs.dpo.method", "dpoo"))
    assert said.startswith("branches.pairs.dpo: there is no such method; did you mean 'dpo'?")


def test_a_method_that_is_a_path_is_not_imported(told):
    assert told(put("branches.pairs.dpo.method", "../sft")).startswith(
        "branches.pairs.dpo: there is no such method"
    )


def test_everything_wrong_is_told_at_once(told):
    def change(given):
        given["seeds"] = [0, 0]
        given["branches"]["pairs"]["dpo"]["beta"] = -1.0
        given["branches"]["pairs"]["dpo"]["optimisation"]["steps"] = "x"
        given["branches"]["online"]["rloo"]["method"] = "rlooo"
        given["evaluate"]["splt"] = given["evaluate"].pop("split")
        del given["text"]["template"]

    said = told(change)
    for part in (
        "seeds: a seed stands twice",
        "branches.pairs.dpo.beta: Input should be greater than 0 (given: -1.0)",
        "branches.pairs.dpo.optimisation.steps: Input should be a valid integer (given: 'x')",
        "branches.online.rloo: there is no such method; did you mean 'rloo'?",
        "evaluate: unknown parameter 'splt'; did you mean 'split'?",
        "text.template: Field required",
    ):
        assert part in said


ENDPOINT = {"kind": "endpoint", "url": "http://localhost:8000/v1", "model": "m", "rubric": "summary.ko"}
ENDPOINT |= {"temperature": None, "reply_tokens": None}
ENDPOINT |= {"concurrency": 4, "max_attempts": 3, "timeout_seconds": 60.0}


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("sources.sft.temperature", 0.0, "sources.sft.temperature: Input should be greater than 0"),
        ("sources.sft.model", "dpo-0", "sources.sft.model: Input should be 'base', 'sft' or 'own'"),
        ("sources", {"lead1": {"kind": "lead"}}, "sources: Dictionary should have at least 2 items"),
        ("sources.a+b", {"kind": "lead"}, "sources.a+b: String should match pattern"),
        ("teacher", {"kind": "judge", "model": "m"}, "teacher: unknown parameter 'model'"),
        ("teacher.url", "http://me:secret@host/v1", "teacher.url: String should match pattern"),
        ("teacher.url", "localhost:8000", "teacher.url: String should match pattern"),
        ("teacher.rubric", "../params", "teacher.rubric: String should match pattern"),
        ("rejected", "best", "rejected: Input should be 'random' or 'worst'"),
    ],
)
def test_a_source_or_teacher_that_cannot_be_is_told_by_its_place_in_the_file(place, value, said, told):
    def change(given):
        given["feedback"]["teacher"] = dict(ENDPOINT)
        put(f"feedback.{place}", value)(given)

    assert told(change).startswith(f"feedback.{said}")


JUDGE = ENDPOINT | {"rubric": "ko", "requests_per_minute": 60}
JUDGE |= {"price": {"input": 1.0, "output": 2.0, "reply_tokens": 100, "max_cost": 5.0}}


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("grader.rubric", "../params", "grader.rubric: String should match pattern"),
        (
            "grader.requests_per_minute",
            0,
            "grader.requests_per_minute: Input should be greater than or equal to 1",
        ),
        ("grader.price.max_cost", -1.0, "grader.price.max_cost: Input should be greater than or equal to 0"),
        ("grader.price", {"input": 1.0}, "grader.price.output: Field required"),
        ("grader.key", "sk-1", "grader: unknown parameter 'key'"),
        ("grader.requests_per_minute", 1.5, "grader.requests_per_minute: Input should be a valid integer"),
        ("reward", JUDGE, "reward: letters, digits and _ only, and not one of exact"),
        ("a-b", JUDGE, "a-b: letters, digits and _ only"),
    ],
)
def test_a_judge_of_duels_that_cannot_be_is_told_by_its_place_in_the_file(place, value, said, told):
    def change(given):
        given["duel"]["judges"] = {"grader": json.loads(json.dumps(JUDGE))}
        put(f"duel.judges.{place}", value)(given)

    assert told(change).startswith(f"duel.judges.{said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", "cannot be read as YAML"),
        ("seeds: [0]\nseeds: [1]\n", "cannot be read as YAML .*duplicate key"),
        ("", "top level: Input should be a valid dictionary"),
        ("- 1\n", "top level: Input should be a valid dictionary"),
        (
            "seeds: !!python/object/apply:os.system ['touch executed']\n",
            "cannot be read as YAML|top level|seeds",
        ),
    ],
)
def test_a_file_that_is_no_params_is_refused_in_one_line(text, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(text)
    with pytest.raises(Refusal, match=f"^params.yaml: ({said})") as refused:
        parameters.read()
    assert "\n" not in str(refused.value)
    assert not Path("executed").exists()


def test_bytes_that_are_no_text_and_a_file_that_is_not_there_are_refused(tmp_path):
    path = tmp_path / "params.yaml"
    with pytest.raises(Refusal, match=r"cannot be read as YAML .*No such file"):
        parameters.read(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Refusal, match="cannot be read as YAML"):
        parameters.read(path)


def test_a_tuned_branch_that_is_not_there_is_told(told):
    one = {"trials": 3, "split": "validation", "seed": 100, "measure": "gold", "best": 0.6, "settings": {}}
    assert "tuning: there is no branch 'dpoo'; did you mean 'dpo'?" in told(put("tuning", {"dpoo": one}))
    assert "tuning.dpo.split: Input should be 'validation'" in told(
        put("tuning", {"dpo": {**one, "split": "test"}})
    )
    assert "tuning.dpo.trials" in told(put("tuning", {"dpo": {**one, "trials": -1}}))
