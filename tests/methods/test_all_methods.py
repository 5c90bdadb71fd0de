"""What holds for every method, so that a new file in tasks/methods is covered the day it arrives."""

import ast
import json
import re
import shutil
from hashlib import sha256
from inspect import signature
from pathlib import Path

import pytest
import torch

from tasks import methods
from tasks.engine.families import online
from tasks.refusal import Refusal
from tasks.settings import Branch

FAMILIES = (
    "pairs",
    "unpaired",
    "best",
    "online",
    "distil",
    "critic",
    "taught",
)  # and base, feedback, cured and iterated, which have the methods of others
WITHOUT_REFERENCE = ("pairs", "best", "taught")  # families whose methods may compare with nothing
NUMBERS = ("integer", "number")
EXAMPLES = {
    "raft.beta": (0.0, 1.0),  # it takes part in a choice alone
    "bond.anchor_samples": (8, 16),
    "ppo.value_clip": (0.01, 0.1),  # of values that move by tenths
    "iterative_bond.anchor_samples": (8, 16),
}
READ_BY_A_STAGE = {
    "kto.ratings",
    "best_of_n.best_of",
    "best_of_n.reward",
}  # tests/test_unpaired.py, test_best.py
DRAWING = ("online", "distil", "critic")  # families that train on summaries of their own
OWN_STAGE = ("unpaired", "best", "taught")  # families whose rows a stage of their own makes
BOUNDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}


def own_fields(method):
    """The JSON schema of every field that is the method's own."""
    fields = method.Config.model_json_schema()["properties"]
    return {name: field for name, field in fields.items() if name not in Branch.model_fields}


def examples(field, name=""):
    """Two values that the field allows, and that make a difference where such a method's own numbers are large."""
    if name in EXAMPLES:
        return EXAMPLES[name]
    if "enum" in field or field["type"] == "boolean":
        return tuple(field.get("enum", (False, True)))[:2]
    low = field.get("minimum", field.get("exclusiveMinimum", 0))
    if field["type"] == "integer":
        return max(low, 2), max(low, 2) * 2
    high = field.get("maximum", field.get("exclusiveMaximum", low + 1))
    return low + 0.1 * (high - low), low + 0.2 * (high - low)


def entry(project, name, **changed):
    """Settings of a method that need not stand in params.yaml."""
    method = methods.load(name)
    walk = project.entry("dpo").optimisation.model_dump() | {"steps": 1, "batch_size": 8}
    own = {field: examples(schema, f"{name}.{field}")[0] for field, schema in own_fields(method).items()}
    return method.Config.model_validate({"method": name, "optimisation": walk, **own, **changed})


def needs_reference(method):
    """Whether its numbers compare the policy with models/sft."""
    asked = signature(method.loss).parameters
    return method.FAMILY not in WITHOUT_REFERENCE or any("reference" in one for one in asked)


def in_trl(method):
    return hasattr(method, "trl_arguments")


@pytest.fixture(params=methods.names())
def name(request):
    return request.param


@pytest.fixture
def method(name):
    return methods.load(name)


def test_there_are_methods_of_every_family():
    assert {methods.load(name).FAMILY for name in methods.names()} == set(FAMILIES)


def test_its_docstring_names_paper_year_arxiv_id_and_what_differs(method):
    assert re.search(
        r"\((19|20)\d\d\), arXiv \d{4}\.\d{4,5}, (equation|section|algorithm) \d", method.__doc__
    )
    assert "Differs from the paper:" in method.__doc__


def test_it_belongs_to_a_family(method):
    assert method.FAMILY in FAMILIES


def test_its_coefficients_have_a_meaning_a_bound_and_no_default(method):
    for field, schema in own_fields(method).items():
        assert method.Config.model_fields[field].is_required(), field
        assert schema["description"], field
        if schema.get("type") in NUMBERS:
            assert schema.keys() & BOUNDS, field
        else:
            assert "enum" in schema or schema["type"] == "boolean", field


def test_it_says_what_the_first_step_logs_where_it_has_a_reference(method, name, project):
    identity = method.identity(entry(project, name))
    assert bool(identity) == needs_reference(method)
    assert all(isinstance(value, float) for value in identity.values())


def observed(project, settings, scratch, method):
    """All that a branch's settings can change in its own engine: what three steps make of fixed prompts."""
    torch.manual_seed(0)
    trainer = project.trainer(settings, scratch)
    batch = [trainer.train_dataset[place][1] for place in range(min(8, len(trainer.train_dataset)))]
    seen = []
    for step in (1, 2, 3):
        with torch.no_grad():  # a policy that has moved
            for weight in trainer.model.parameters():
                weight.add_(0.2 * weight.abs().mean() * torch.randn_like(weight))
        prepared = trainer.objective.prepare(trainer.scorer, batch, len(batch) * step)
        losses = trainer.objective.losses(trainer.scorer, prepared)
        losses.items.sum().backward()
        numbers = {name: values.tolist() for name, values in losses.numbers.items()}
        grads = [weight.grad for weight in trainer.model.parameters() if weight.grad is not None]
        total = sum(float(grad.double().abs().sum()) for grad in grads)
        seen += [losses.items.tolist(), numbers, total, [group.completions for group in prepared]]
        trainer.objective.stepped(trainer.scorer, step)
    return json.dumps(seen)


def test_every_coefficient_is_read(method, name, here, scratch):
    before = observed(here, entry(here, name), scratch, method)
    assert observed(here, entry(here, name), scratch, method) == before
    for field, schema in own_fields(method).items():
        if f"{name}.{field}" in READ_BY_A_STAGE:
            continue
        changed = entry(here, name, **{field: examples(schema, f"{name}.{field}")[1]})
        assert observed(here, changed, scratch, method) != before, field


def declares(found, method, settings):
    """Nothing, or what a training's record does not tell of what it had and spent."""
    walk = settings.optimisation
    assert found["examples"] == found["steps"] * walk.batch_size * walk.gradient_accumulation == 8
    assert found["tokens"] > found["examples"]
    draws = method.FAMILY in DRAWING
    assert (found["generated_tokens"] > 0) == (found["reward_calls"] > 0) == draws
    assert found.get("reward") == (settings.reward if draws else None)
    climbs = draws and settings.reward == "model"
    reward = json.loads(Path("models/reward-a/manifest.json").read_text())["weights_sha256"]
    assert found.get("climbed_sha256") == (reward if climbs else None)
    pairs = sha256(Path("data/pairs/a.parquet").read_bytes()).hexdigest()
    record = Path(f"reports/metrics/{method.FAMILY}-tried.json")  # of the stage that made its rows
    own_rows = json.loads(record.read_text()) if record.exists() else {}
    assert found["data_sha256"] == own_rows.get("data_sha256", pairs)
    assert own_rows.get("pairs_sha256", pairs) == pairs


@pytest.fixture
def drawn(monkeypatch):
    """Every completion that the package's own sampler gives to a training."""
    seen, real = [], online.sample

    def spy(*given, **named):
        found = real(*given, **named)
        seen.extend(one.ids for some in found for one in some)
        return found

    monkeypatch.setattr(online, "sample", spy)
    return seen


def test_its_first_step_has_its_identity(method, name, own, drawn):
    """The stage itself refuses a first step that has not. Its record declares what it spent."""
    settings = entry(own, name)
    own.change(f"branches.{method.FAMILY}", tried=settings.model_dump())
    if method.FAMILY in OWN_STAGE:
        own.run(f"{method.FAMILY} --family {method.FAMILY} --branch tried")
    found = own.run(f"align --family {method.FAMILY} --branch tried --seed 0")
    first = own.curve("align-tried-0")[0]
    for logged, value in method.identity(settings).items():
        assert first[logged] == pytest.approx(value, abs=1e-4)
    assert (found["steps"], found["engine"], found["numerics"]) == (1, "gallim", "shared prompts, block")
    declares(found, method, settings)
    assert (found["reward_calls"], found["generated_tokens"]) == (len(drawn), sum(map(len, drawn)))
    assert Path("models/tried-0/manifest.json").exists()


def test_trls_stock_trainer_can_take_its_place(method, name, own):
    if not in_trl(method):
        pytest.skip("TRL has no trainer of this loss; the next test")
    settings = entry(own, name)
    own.change(f"branches.{method.FAMILY}", tried=settings.model_dump())
    own.change(f"branches.{method.FAMILY}.tried.optimisation", engine="trl")
    found = own.run(f"align --family {method.FAMILY} --branch tried --seed 0")
    first = own.curve("align-tried-0")[0]
    for logged, value in method.identity(settings).items():
        assert first[logged] == pytest.approx(value, abs=1e-4)
    assert (found["engine"], found["numerics"]) == ("trl", "TRL's rows")
    declares(found, method, settings)
    assert found["reward_calls"] == (found["examples"] if method.FAMILY in DRAWING else 0)


@pytest.mark.parametrize("name", [name for name in methods.names() if not in_trl(methods.load(name))])
def test_a_loss_that_trl_has_not_is_refused_for_its_engine_before_anything_runs(name, own):
    settings = entry(own, name)
    own.change(f"branches.{methods.load(name).FAMILY}", tried=settings.model_dump())
    own.change(f"branches.{methods.load(name).FAMILY}.tried.optimisation", engine="trl")
    with pytest.raises(Refusal, match=f"tried: .*no trainer of {name}; set engine: gallim"):
        own.run(f"align --family {methods.load(name).FAMILY} --branch tried --seed 0")


def test_it_stands_alone(name):
    """No method imports another, nor anything above the settings."""
    tree = ast.parse((methods.FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    assert {module for module in imported if module and module.startswith("tasks")} <= {"tasks.settings"}


def test_a_method_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(
        Refusal, match=r"tasks/methods/dpoo.py: there is no such method; did you mean 'dpo'\?"
    ):
        methods.load("dpoo")
    with pytest.raises(Refusal, match=r"known methods: .*dpo.*rloo"):
        methods.load("xyz")


def test_a_new_file_is_a_new_method(tmp_path, monkeypatch):
    shutil.copytree(methods.FOLDER, tmp_path / "methods", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "methods" / "newest.py").write_text("")
    (tmp_path / "methods" / "_notes.py").write_text("")
    before = methods.names()
    monkeypatch.setattr(methods, "FOLDER", tmp_path / "methods")
    assert methods.names() == sorted([*before, "newest"])
