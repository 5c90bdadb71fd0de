"""`track` shows in MLflow what DVC holds: no more, no less, and once."""

import hashlib
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tasks.ledger import costs, held, run, store, tracking
from tasks.refusal import Refusal

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow.*",
    "ignore::ResourceWarning",  # MLflow leaves its sqlite connections to the garbage collector
)


@pytest.fixture(autouse=True)
def dvc_lock(state: Path, out, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """prepare -> sft -> align dpo 0 -> evaluate dpo-0; sft's metrics were changed afterwards."""
    monkeypatch.chdir(tmp_path)
    prepared, sft, policy = out("data/prepared"), out("models/sft"), out("models/dpo-0")
    pairs, fold = out("data/pairs"), out("data/pairs/a.parquet", "pairs")  # the second is in the first
    Path("data/prepared/train.parquet").write_text("rows")
    Path("models/sft/manifest.json").write_text(json.dumps({"weights_sha256": "5f7"}))
    curve = "".join(json.dumps({"step": step, "loss": 1 / step}) + "\n" for step in range(1, 2001))
    branch = {"branches.pairs.dpo": {"method": "dpo", "beta": 0.1}, "text": {"template": "x" * 7000}}
    metrics = "reports/metrics"
    stages = {
        "prepare": {
            "cmd": "python -m tasks prepare",
            "outs": [prepared, out(f"{metrics}/prepare.json", '{"rows": 3}')],
        },
        "sft": {
            "cmd": "python -m tasks sft",
            "deps": [prepared],
            "outs": [sft, out(f"{metrics}/sft.json", '{"loss": 1.0}')],
        },
        "pairs": {"cmd": "python -m tasks pairs", "deps": [prepared], "outs": [pairs]},
        "align@dpo-0": {
            "cmd": "python -m tasks align --family pairs --branch dpo --seed 0",
            "deps": [sft, fold, {"path": "tasks/align.py", "md5": "0"}],
            "params": {"params.yaml": branch},
            "outs": [
                policy,
                out("reports/curves/align-dpo-0.jsonl", curve),
                out(f"{metrics}/align-dpo-0.json", '{"displaced": true, "weights_sha256": "abc"}'),
            ],
        },
        "evaluate@dpo-0": {
            "cmd": "python -m tasks evaluate --model dpo-0",
            "deps": [policy, prepared],
            "params": {"params.yaml": {"evaluate": {"split": "test"}}},
            "outs": [out(f"{metrics}/evaluate-dpo-0.json", '{"greedy_gold": 0.5, "rows": 4}')],
        },
        "other": {"cmd": "echo", "outs": [out("elsewhere", "x")]},
    }
    Path(f"{metrics}/sft.json").write_text('{"loss": 2.0}')
    YAML().dump({"schema": "2.0", "stages": stages}, Path("dvc.lock"))


def runs() -> dict[str, Any]:
    client, experiment = store.opened()
    return {one.info.run_name: one for one in client.search_runs([experiment])}


def data_of(one: Any) -> set[tuple[str, str]]:
    """Name and purpose of the data that a run read."""
    return {(each.dataset.name, each.tags[0].value) for each in one.inputs.dataset_inputs}


def test_what_dvc_holds_is_there_once():
    known = {
        "content": held.content("align-dpo-0"),
        "started": 1000,
        "ended": 6000,
        "code": {"git.sha": "c0"},
    }
    costs.write("align-dpo-0", 5.0, {}, **known)
    assert tracking.track().endswith("3 runs added, 0 were there")
    assert tracking.track().endswith("0 runs added, 3 were there")
    found = runs()
    assert sorted(found) == ["align-dpo-0", "evaluate-dpo-0", "prepare"], (
        "sft's file is not the one in dvc.lock"
    )

    align = found["align-dpo-0"]
    assert align.data.params["beta"] == "0.1"
    assert len(align.data.params["text.template"]) == run.LONGEST_VALUE
    assert {"data.sha256", "git.sha"} <= align.data.tags.keys()
    assert align.data.tags["sft.sha256"] == "5f7"
    assert align.data.tags["result.weights_sha256"] == "abc"
    assert align.data.metrics == {"train/loss": 1 / 2000, "displaced": 1.0}
    assert (align.info.start_time, align.info.end_time) == (1000, 6000)
    client, _ = store.opened()
    assert len(client.get_metric_history(align.info.run_id, "train/loss")) == 2000
    assert data_of(align) == {("data/pairs/a.parquet", "training")}


def test_an_evaluations_run_is_the_whole_row_of_its_branch_and_seed():
    """Settings, data and curve of its training, and the evaluator's scores, measure first."""
    tracking.track()
    evaluate = runs()["evaluate-dpo-0"]
    told = {"method": "dpo", "family": "pairs", "branch": "dpo", "seed": "0"}
    settings = {"beta": "0.1", "evaluate.split": "test"}
    assert told.items() <= evaluate.data.tags.items()
    assert (told | settings).items() <= evaluate.data.params.items()
    assert evaluate.data.metrics == {"train/loss": 1 / 2000, "eval/gold_greedy": 0.5, "eval/rows": 4.0}
    assert data_of(evaluate) == {("data/prepared", "evaluation"), ("data/pairs/a.parquet", "training")}
    assert evaluate.data.tags["sft.sha256"] == "5f7", "it descends from models/sft by way of models/dpo-0"
    assert "git.sha" not in evaluate.data.tags, "nothing is known of who made it"


def test_a_training_that_is_not_what_was_evaluated_is_not_in_its_row():
    lock = YAML(typ="safe").load(Path("dvc.lock"))
    lock["stages"]["evaluate@dpo-0"]["deps"][0] = {"path": "models/dpo-0", "md5": "of another training.dir"}
    YAML().dump(lock, Path("dvc.lock"))
    tracking.track()
    evaluate = runs()["evaluate-dpo-0"]
    assert evaluate.data.params.keys() == {"evaluate.split", "method", "branch", "seed"}
    assert evaluate.data.params["method"] == "dpo"
    assert evaluate.data.metrics.keys() == {"eval/gold_greedy", "eval/rows"}


def test_a_changed_result_is_another_run(out):
    tracking.track()
    lock = Path("dvc.lock").read_text()
    old = hashlib.md5(b'{"rows": 3}').hexdigest()
    Path("dvc.lock").write_text(lock.replace(old, out("reports/metrics/prepare.json", '{"rows": 4}')["md5"]))
    assert tracking.track().endswith("1 runs added, 2 were there")


def test_a_run_whose_process_died_is_ended():
    client, experiment = store.opened()
    gone = subprocess.Popen(["true"])
    gone.wait()
    host = {"process.host": platform.node()}
    dead = client.create_run(experiment, tags={**host, "process.id": str(gone.pid)})
    alive = client.create_run(experiment, tags={**host, "process.id": str(os.getpid())})
    tracking.track()
    states = [client.get_run(one.info.run_id).info.status for one in (dead, alive)]
    assert states == ["KILLED", "RUNNING"]


def test_another_process_with_its_number_is_not_it():
    """After a restart, and in containers always, numbers come again."""
    client, experiment = store.opened()
    mine = {"process.host": platform.node(), "process.id": str(os.getpid())}
    tags = [mine | {"process.began": moment} for moment in ("another boot 123", run.began(os.getpid()))]
    made = [client.create_run(experiment, tags=one).info.run_id for one in tags]
    tracking.track()
    assert [client.get_run(one).info.status for one in made] == ["KILLED", "RUNNING"]


def test_a_copy_that_was_cut_short_goes_away_and_is_made_again():
    client, experiment = store.opened()
    gone = subprocess.Popen(["true"])
    gone.wait()
    tags = {"process.host": platform.node(), "process.id": str(gone.pid), run.COPY: "true"}
    half = client.create_run(experiment, tags=tags, run_name="prepare").info.run_id
    assert tracking.track().endswith("3 runs added, 0 were there")
    assert client.get_run(half).info.lifecycle_stage == "deleted"
    assert {one.info.status for one in runs().values()} == {"FINISHED"}


def test_a_store_that_cannot_be_used_is_a_refusal(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://me:secret@nowhere")
    with pytest.raises(Refusal, match="the store cannot be used") as told:
        tracking.track()
    assert "secret" not in str(told.value)


def test_without_dvc_lock_there_is_nothing_to_show():
    Path("dvc.lock").unlink()
    assert list(held.records()) == []


def test_the_report_is_in_the_files_of_compares_run_once(out):
    lock = YAML(typ="safe").load(Path("dvc.lock"))
    sft = lock["stages"]["sft"]["outs"][0]
    reports = [out(f"reports/comparison{kind}.html", "<h1>one</h1>") for kind in ("", ".ko")]
    lock["stages"]["compare"] = {"cmd": "python -m tasks compare", "deps": [sft], "outs": reports}
    YAML().dump(lock, Path("dvc.lock"))
    assert tracking.track().endswith("4 runs added, 0 were there")
    assert tracking.track().endswith("0 runs added, 3 were there")
    client, _ = store.opened()
    found = tracking.runs()
    assert found.keys() == {"experiment", "prepare", "align-dpo-0", "evaluate-dpo-0", "compare"}
    files = {file.path for file in client.list_artifacts(found["compare"])}
    assert files == {"comparison.html", "comparison.ko.html"}
    assert client.get_run(found["compare"]).data.tags["sft.sha256"] == "5f7"
    Path("reports/comparison.html").write_text("<h1>of another run, which failed before it compared</h1>")
    assert "compare" not in tracking.runs()
    assert tracking.track().endswith("0 runs added, 3 were there")
