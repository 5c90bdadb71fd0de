"""A comparison in MLflow: its saved view, and whom its verdicts register."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tasks.ledger import registry, store, tracking, view

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow.*",
    "ignore::ResourceWarning",  # MLflow leaves its sqlite connections to the garbage collector
)
SETTINGS = {"dpo": {"beta": 0.5}, "rloo": {"beta": 0.1, "completions": 4}}


@pytest.fixture(autouse=True)
def evaluations(state: Path, out, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations of sft, dpo-0 and rloo-0, each of its model, in dvc.lock."""
    monkeypatch.chdir(tmp_path)
    prepared = out("data/prepared")
    stages: dict[str, Any] = {"prepare": {"cmd": "python -m tasks prepare", "outs": [prepared]}}
    for model in ("sft", "dpo-0", "rloo-0"):
        weights, scores = out(f"models/{model}"), {"greedy_gold": 0.5, "model_sha256": f"sha of {model}"}
        branch = model.partition("-")[0]
        family = {"sft": "", "dpo": "pairs", "rloo": "online"}[branch]
        words = f"align --family {family} --branch {branch} --seed 0" if family else "sft"
        read = {f"branches.{family}.{branch}": {"method": branch, **SETTINGS[branch]}} if family else {}
        record = f"align-{model}" if family else "sft"
        made = out(f"reports/metrics/{record}.json", '{"rows": 9}')
        stages[record] = {"cmd": f"python -m tasks {words}", "params": {"params.yaml": read}}
        stages[record]["outs"] = [weights, made]
        stages[f"evaluate-{model}"] = {
            "cmd": f"python -m tasks evaluate --model {model}",
            "deps": [weights, prepared],
            "outs": [out(f"reports/metrics/evaluate-{model}.json", json.dumps(scores))],
        }
    YAML().dump({"stages": stages}, Path("dvc.lock"))


@pytest.fixture
def compare(out):
    """`compare(dpo, rloo, each)` writes the comparison with these verdicts, as DVC holds it."""

    def write(dpo: str, rloo: str, each: str, methods: tuple[str, str] = ("dpo", "rloo")) -> None:
        found = {
            "headline": "gold",
            "prompts": 400,
            "seeds": [0],
            "branches": [
                {"name": name, "method": method, "family": "pairs", "settings": SETTINGS[name]}
                for name, method in zip(("dpo", "rloo"), methods, strict=True)
            ],
            "differences": {
                "greedy": [row("dpo", "sft", dpo), row("rloo", "sft", rloo), row("dpo", "rloo", each)]
            },
            "hashes": {"models": {model: f"sha of {model}" for model in ("sft", "dpo-0", "rloo-0")}},
        }
        Path("reports/evaluation/dpo-0").mkdir(parents=True, exist_ok=True)
        Path("reports/evaluation/dpo-0/summary.json").write_text("{}")
        # DVC's hash of a folder; {} has the md5 99914b932bd37a50b983c5e7c90ae93b
        listed = '[{"md5": "99914b932bd37a50b983c5e7c90ae93b", "relpath": "dpo-0/summary.json"}]'
        lock = YAML(typ="safe").load(Path("dvc.lock"))
        lock["stages"]["compare"] = {
            "cmd": "python -m tasks compare",
            "deps": [
                {"path": "reports/evaluation", "md5": hashlib.md5(listed.encode()).hexdigest() + ".dir"}
            ],
            "outs": [out("reports/comparison.json", json.dumps(found))],
        }
        YAML().dump(lock, Path("dvc.lock"))

    return write


def row(left: str, right: str, verdict: str) -> dict[str, Any]:
    numbers = {"difference": 0.035, "low": 0.009, "high": 0.061}
    return {"left": left, "right": right, "measure": "gold", "verdict": verdict, **numbers}


def aliases() -> dict[str, str]:
    """Alias -> the folder of weights that it stands for."""
    client, _ = store.opened()
    found = client.search_registered_models("name = 'gallim'")
    if not found:
        return {}
    versions = {alias: client.get_model_version("gallim", one) for alias, one in found[0].aliases.items()}
    return {alias: version.tags["dvc.path"] for alias, version in versions.items()}


def views() -> dict[str, Any]:
    """Saved views by name."""
    client, experiment = store.opened()
    tags = client.get_experiment(experiment).tags
    found = [json.loads(value) for name, value in tags.items() if name.startswith(view.OURS)]
    return {each["name"]: json.loads(each["state"]) for each in found}


def test_the_champion_is_registered_once_with_scores_and_hashes_and_no_weights(compare):
    compare("higher", "higher", "lower")
    said = tracking.track()
    assert said.endswith("champion: rloo-0 (gallim version 1)")
    assert tracking.track().splitlines()[1:] == said.splitlines()[1:]
    assert aliases() == {"champion": "models/rloo-0"}

    client, experiment = store.opened()
    (version,) = client.search_model_versions("name = 'gallim'")
    assert version.tags["weights.sha256"] == "sha of rloo-0"
    assert version.tags["dvc.md5"] == hashlib.md5(b"models/rloo-0").hexdigest() + ".dir"
    assert version.tags["difference"] == "gold +0.035 [+0.009, +0.061] against sft, 400 prompts, 1 seeds"
    (model,) = client.search_logged_models([experiment])
    assert model.params == {"beta": "0.1", "completions": "4"}
    assert {metric.key: metric.value for metric in model.metrics} == {"eval/gold_greedy": 0.5}
    assert [metric.dataset_name for metric in model.metrics] == ["data/prepared"]
    assert model.source_run_id == tracking.runs()["evaluate-rloo-0"]
    assert not [name for name in model.tags if name.startswith("mlflow.source.")], (
        "this process made no model"
    )
    assert len(client.get_metric_history(model.source_run_id, "eval/gold_greedy")) == 1
    artifacts = Path(model.artifact_location.removeprefix("file://"))
    assert [path.name for path in artifacts.rglob("*") if path.is_file()] == ["MLmodel"]


def test_aliases_follow_the_verdicts_and_nobody_elses_are_touched(compare):
    compare("higher", "cannot tell apart", "cannot tell apart")
    tracking.track()
    client, _ = store.opened()
    client.set_registered_model_alias("gallim", "production", "1")
    own = {"production": "models/dpo-0"}
    assert aliases() == own | {"champion": "models/dpo-0"}
    compare("higher", "higher", "cannot tell apart")
    tracking.track()
    assert aliases() == own | {"challenger-dpo": "models/dpo-0", "challenger-rloo": "models/rloo-0"}
    compare("cannot tell apart", "lower", "higher")
    assert tracking.track().endswith("no branch is told apart as higher than sft: no champion")
    assert aliases() == own
    assert len(client.search_model_versions("name = 'gallim'")) == 2, "what was registered stays"


def test_no_verdict_registers_nothing_and_a_worktree_decides_nothing(compare, monkeypatch):
    compare("cannot tell apart", "cannot tell apart", "cannot tell apart")
    tracking.track()
    client, _ = store.opened()
    assert client.search_registered_models() == []
    compare("higher", "lower", "higher")
    monkeypatch.setattr(tracking.state, "main_tree", lambda: Path("/elsewhere"))
    assert "compared in MLflow" in tracking.track()
    assert aliases() == {}


def test_a_comparison_of_other_evaluations_decides_nothing(compare):
    compare("higher", "lower", "higher")
    Path("reports/evaluation/dpo-0/summary.json").write_text('{"of": "a later evaluation"}')
    assert "compared" not in tracking.track()
    assert "comparison" not in tracking.runs()
    assert aliases() == {}
    assert views() == {}


def test_the_saved_view_shows_the_comparisons_evaluations_by_method(compare):
    compare("higher", "lower", "higher")
    page = tracking.track().splitlines()[1].removeprefix("compared in MLflow: ")
    found = tracking.runs()
    assert found["comparison"] == page == view.remembered()
    ((name, shown),) = views().items()
    assert f"gallim-{name.removeprefix('comparison ')}&" in page
    client, experiment = store.opened()
    compared = client.search_runs([experiment], shown["searchFilter"])
    assert {one.info.run_name for one in compared} == {"evaluate-sft", "evaluate-dpo-0", "evaluate-rloo-0"}
    assert [key["groupByData"] for key in shown["groupBy"]["groupByKeys"]] == ["method"]
    assert {"metrics.`eval/gold_greedy`", "params.`beta`", "params.`completions`"} <= set(
        shown["selectedColumns"]
    )
    assert [chart["metricKey"] for chart in shown["compareRunCharts"][:1]] == ["eval/gold_greedy"]


def test_two_branches_of_one_method_are_two_groups_and_old_views_go(compare, monkeypatch):
    monkeypatch.setattr(view, "KEPT", 2)
    clock = iter(range(1, 1000))
    monkeypatch.setattr(view.run, "now", lambda: next(clock))
    kept = []
    for verdict in ("higher", "lower", "cannot tell apart"):
        compare(verdict, "lower", "higher", methods=("dpo", "dpo"))
        tracking.track()
        kept.append(tracking.runs()["comparison"].partition("gallim-")[2].partition("&")[0])
    assert sorted(views()) == sorted(f"comparison {key}" for key in kept[1:])
    for shown in views().values():
        assert [key["groupByData"] for key in shown["groupBy"]["groupByKeys"]] == ["method", "branch"]


def test_a_run_that_was_deleted_in_mlflow_is_not_brought_back(compare):
    tracking.track()
    client, _ = store.opened()
    client.delete_run(tracking.runs()["evaluate-dpo-0"])
    compare("higher", "lower", "higher")
    assert tracking.track().endswith(
        "champion: dpo-0, not registered, as the run of its evaluation is not in MLflow"
    )
    assert registry.CHAMPION not in aliases()
