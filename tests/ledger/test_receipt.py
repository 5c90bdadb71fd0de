"""What a receipt holds besides results, and how one is found again; those of real runs are in tests/flows."""

import json
import os
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tasks.ledger import artifacts, graph, machine, receipt, receipts, store, tracking
from tasks.refusal import Refusal

mlflow = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow.*", "ignore::ResourceWarning")
SECRET = "hunter2"


@pytest.fixture
def held(tmp_path, monkeypatch, out):
    """A project with the result of one stage."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GALLIM_STATE", raising=False)
    stage = {"cmd": "python -m tasks sft", "outs": [out("reports/metrics/sft.json", '{"loss": 1.0}')]}
    YAML().dump({"stages": {"sft": stage}}, Path("dvc.lock"))
    Path("params.yaml").write_text("compute: {threads: 1, device: cpu, dtype: float32}\n")
    monkeypatch.setattr(graph, "standing", lambda: {"sft": True})


def test_no_password_is_in_it(held, monkeypatch):
    """Neither of MLflow's store nor of an address in params.yaml, and nothing of the environment or the host."""
    for name in ("OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"postgresql://me:{SECRET}@db.example/mlflow?password={SECRET}")
    monkeypatch.setattr(tracking, "runs", lambda: {"experiment": "1", "sft": "a1"})
    Path("params.yaml").write_text(f"own: {{base: 'https://me:{SECRET}@example.org/x'}}\n")
    left = receipt.leave(tracking.told())
    text = left.path.read_text()
    assert SECRET not in text
    assert os.uname().nodename not in text or len(os.uname().nodename) < 4
    assert left.found["mlflow"] == {
        "store": "postgresql://db.example/mlflow",
        "experiment": "1",
        "runs": {"sft": "a1"},
    }
    assert left.found["params"]["text"] == "own: {base: 'https://example.org/x'}\n"


def test_mlflows_runs_are_added_when_it_is_there_again(held):
    away = receipt.leave({"away": "the store cannot be used"})
    assert receipts.newest_here().found["mlflow"] == {"away": "the store cannot be used"}
    there = receipt.leave({"store": "sqlite:///x", "runs": {"sft": "a1"}})
    assert there.path == away.path
    assert receipts.newest_here().found["mlflow"]["runs"] == {"sft": "a1"}
    assert receipts.newest_here().is_whole
    receipt.leave({"away": "again"})
    assert receipts.newest_here().found["mlflow"]["runs"] == {"sft": "a1"}, "what is known stays"


def test_a_result_that_is_not_as_dvc_lock_has_it_is_in_no_receipt(held, monkeypatch):
    """Though DVC, which trusts times of files, may think that it is."""
    monkeypatch.setenv(receipt.FLOW_RUN, "6b1f")
    Path("reports/metrics/sft.json").write_text('{"loss": 0.1}')
    assert receipt.leave({})
    assert list(receipts.read().stages) == []


def test_before_there_are_results_there_is_no_receipt(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GALLIM_STATE", raising=False)
    assert receipt.leave({}) is None
    assert receipt.told(None).startswith("receipt: none")
    with pytest.raises(Refusal, match="there is none of this tree yet"):
        receipts.read()


def test_one_is_found_by_its_path_its_name_and_the_beginning_of_it(held):
    left = receipt.leave({})
    for name in ("latest", left.name, left.name[:8], str(left.path)):
        assert receipts.read(name).path == left.path
    receipts.write(left.path.with_name(left.name + "0.json"), left.found)
    with pytest.raises(Refusal, match="2 receipts have names that begin so"):
        receipts.read(left.name[:8])
    for name in ("1999", "*", "../../params"):
        with pytest.raises(Refusal, match="there is no such receipt"):
            receipts.read(name)


@mlflow
def test_it_lies_beside_the_report_of_the_comparisons_run_once(held, state):
    client, experiment = store.opened()
    one = client.create_run(experiment).info.run_id
    left = receipt.leave({"runs": {"compare": one}})
    for _ in range(2):
        tracking.attach(left)
    assert client.get_run(one).data.tags[tracking.RECEIPT] == left.found["sha256"]
    assert [each.path for each in client.list_artifacts(one)] == [left.path.name]
    tracking.attach(
        receipts.Receipt(left.path, left.found | {"mlflow": {"away": "x"}})
    )  # without a run: nothing


def test_the_summary_is_of_the_headline_alone():
    row = {
        "left": "dpo",
        "right": "sft",
        "difference": 0.1,
        "low": 0.0,
        "high": 0.2,
        "verdict": "higher",
        "p": 0.005,
        "p_holm": 0.01,
    }
    other = {**row, "measure": "rougeL"}
    found = {
        "headline": "gold",
        "scores": {"greedy": {"sft": {"gold": {"mean": 0.5}, "rougeL": {"mean": 0.6}}}},
        "differences": {"greedy": [{**row, "measure": "gold"}, other]},
    }
    kept = {"difference": 0.1, "low": 0.0, "high": 0.2, "p_holm": 0.01, "verdict": "higher"}
    assert receipt.summary(found) == {
        "measure": "gold",
        "means": {"sft": 0.5},
        "verdicts": {"dpo - sft": kept},
    }


def test_a_machine_differs_from_itself_in_nothing_and_names_no_host():
    one = machine.described({"threads": 1})
    assert machine.differences(one, json.loads(json.dumps(one))) == []
    assert machine.differences(one, {**one, "threads": {"threads": 2}}) == [
        "threads: threads 1 then, threads 2 now"
    ]
    assert {"torch", "numpy"} <= one["packages"].keys()


def test_dvcs_hash_of_a_folder_that_has_nothing_and_of_a_path_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    assert (
        artifacts.md5("empty", artifacts.of(Path("empty"))) == "d751713988987e9331980363e24189ce.dir"
    )  # of `[]`
    assert artifacts.md5("gone", artifacts.of(Path("gone"))) is None
