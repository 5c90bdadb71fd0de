"""What the source never does, and where servers listen: SECURITY.md, held against the code."""

import ast
import socket
from functools import cache
from pathlib import Path

import pytest

from flows import deploy, local, page, ui, worktree
from flows.grid import Grid
from tasks import card, parameters, summarize
from tasks.engine import models
from tasks.measures import markdown, model_card
from tasks.people import app
from tasks.refusal import Refusal
from tasks.sections.documents import Own

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [path for folder in ("tasks", "flows", "bench", "fuzz") for path in (ROOT / folder).rglob("*.py")]
ATTACK = '<script>alert(1)</script>[x](javascript:alert(1))"\u202e|`\n# h'
NEVER = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


@cache
def nodes():
    """Every call and import of the source, with its file."""
    kinds = (ast.Call, ast.Import, ast.ImportFrom)
    trees = [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in SOURCES]
    return [(path, node) for path, tree in trees for node in ast.walk(tree) if isinstance(node, kinds)]


def calls():
    """Every call of the source: its file, its dotted name, and its keywords that are plain values."""
    for path, node in nodes():
        if isinstance(node, ast.Call):
            words = {one.arg: one.value.value for one in node.keywords if isinstance(one.value, ast.Constant)}
            yield path, dotted(node.func), words


def dotted(node):
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def test_nothing_is_unpickled_evaluated_or_given_to_a_shell():
    assert len(SOURCES) > 200
    imported = {
        name.partition(".")[0]
        for _, node in nodes()
        if not isinstance(node, ast.Call)
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
        )
    }
    assert not imported & NEVER
    for path, name, words in calls():
        place = f"{path}: {name}"
        assert name not in (
            "eval",
            "exec",
            "os.system",
            "os.popen",
            "torch.jit.load",
            "subprocess.getoutput",
        ), place
        assert words.get("shell") is not True, place
        assert words.get("allow_pickle") is not True, place
        if name == "torch.load":
            assert words.get("weights_only") is True, place
        if name.endswith("YAML"):
            assert words.get("typ") in ("safe", None), place


def test_every_model_is_loaded_without_its_code():
    loads = [(path, words) for path, name, words in calls() if name.endswith(".from_pretrained")]
    assert len([path for path, _ in loads if "tasks" in path.parts]) >= 4
    for path, words in loads:
        if "tasks" in path.parts:
            assert words.get("trust_remote_code") is False, path
        assert words.get("trust_remote_code") in (False, None), path


def test_every_server_listens_on_this_machine_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("GALLIM_STATE", str(tmp_path))
    assert not [path for path in SOURCES if "0.0.0.0" in path.read_text(encoding="utf-8")]
    words = list(ui._mlflow(5000).words)
    assert words[words.index("--host") + 1] == "127.0.0.1"
    settings = local.settings(tmp_path, 4200)
    assert settings["PREFECT_SERVER_API_HOST"] == "127.0.0.1"
    assert settings["PREFECT_SERVER_CSRF_PROTECTION_ENABLED"] == "true"
    with app.bound(0) as at:
        assert at.getsockname()[0] == "127.0.0.1"
        with socket.socket() as other:  # of another address of this machine: refused, as nobody listens there
            assert other.connect_ex(("127.0.0.2", at.getsockname()[1])) != 0


@pytest.mark.parametrize("model", ["../../x", "models/../../x", ".."])
def test_a_model_above_the_project_is_refused(model, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(Refusal, match=r"command line: --model .* goes up; name models/sft"):
        summarize.run(model, "none.txt")


@pytest.mark.parametrize("model", ["../../x-0", "a/b-0", "-0", "..-0"])
def test_a_card_of_no_name_is_refused(model):
    with pytest.raises(Refusal, match="is no branch and seed"):
        card.run(model)


def test_own_paths_stay_below_the_project_or_are_absolute():
    for good in ("data/own/documents", "/data/else", "a..b/c", "한글/자료"):
        Own.model_validate(dict.fromkeys(Own.model_fields, good))
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    for bad in ("../../x", "data/../../x", ".."):
        changed = text.replace("documents: data/own/documents", f"documents: {bad}")
        with pytest.raises(Refusal, match=r"own.documents: goes up by `..`; give an absolute path"):
            parameters.parse(parameters.Parameters, changed, "params.yaml")


def test_the_whole_project_is_not_copied_into_a_worktree_of_its_own(tmp_path):
    (tmp_path / "params.yaml").touch()
    tree = tmp_path / ".state/runs/1/tree"
    tree.mkdir(parents=True)
    with pytest.raises(Refusal, match="holds the whole project"):
        worktree._share(tmp_path, tree / "x")
    assert list(tree.iterdir()) == []


@pytest.mark.parametrize(
    "keep", ["../x.yaml", "/tmp/x.yaml", "assets/../../x.yaml", "assets/a/b.yaml", "params.yaml"]
)
def test_a_grids_best_settings_go_into_assets(keep):
    with pytest.raises(ValueError, match="keep"):
        Grid.model_validate(
            {"seed": 1, "split": "validation", "trials": 1, "keep": keep, "grid": {"a": {"b": [1]}}}
        )


def test_markdown_of_texts_is_text():
    shown = markdown._m(ATTACK)
    assert "<script" not in shown
    assert "](" not in shown
    assert "\n" not in shown
    table = model_card._table(["a"], [[ATTACK]])
    assert "<script" not in table
    assert "](" not in table
    assert len(table.splitlines()) == 3


def test_a_commits_subject_is_text_on_prefects_page():
    shown = deploy._description("abc", ATTACK)
    assert "<script" not in shown
    assert "](" not in shown


def test_a_links_address_has_no_text_of_data():
    paths = page._paths({"experiment": "1", "compare": "r", "evaluate-x": "2"})
    assert all("<" not in path and "javascript" not in path for path, _ in paths.values())


def test_a_library_that_fails_on_a_models_files_is_told_as_a_refusal():
    assert {TypeError, ImportError, AttributeError} <= set(models.FAULTS)
