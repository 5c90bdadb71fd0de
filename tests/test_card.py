"""Command card: every number is one of files that dvc.lock holds, and a changed file is refused."""

import hashlib
import json
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from ruamel.yaml import YAML

from tasks import card
from tasks.ledger import held
from tasks.refusal import Refusal

METRICS = {
    "prepare": "prepare",
    "base": "base",
    "sft": "sft",
    "align --family pairs --branch dpo --seed 0": "align-dpo-0",
    "evaluate --model dpo-0": "evaluate-dpo-0",
}


@pytest.fixture
def lock(own):
    """The miniature with a dvc.lock of what the card reads."""
    given = YAML(typ="safe").load(Path("params.yaml").read_text(encoding="utf-8"))
    sections = {name: {name: given[name]} for name in ("prepare", "base", "sft", "evaluate")}
    sections["align"] = {"branches.pairs.dpo": given["branches"]["pairs"]["dpo"]}
    stages = {
        record: {
            "cmd": f"exec python -m tasks {words}",
            "params": {"params.yaml": sections[words.partition(" ")[0]]},
            "outs": [out(f"reports/metrics/{record}.json")],
        }
        for words, record in METRICS.items()
    }
    stages["align-dpo-0"]["outs"].append({"path": "models/dpo-0", "md5": "d1ce.dir"})
    stages["compare"] = {
        "cmd": "exec python -m tasks compare",
        "deps": [{"path": "reports/evaluation", "md5": held._folder_md5(Path("reports/evaluation"))}],
        "outs": [out("reports/comparison.json")],
    }
    YAML().dump({"stages": stages}, Path("dvc.lock"))
    return own


def out(path):
    return {"path": path, "md5": hashlib.md5(Path(path).read_bytes()).hexdigest()}


def edit(path, **changed):
    found = json.loads(Path(path).read_text(encoding="utf-8"))
    Path(path).unlink()
    Path(path).write_text(json.dumps({**found, **changed}), encoding="utf-8")


def test_its_header_and_tables_have_the_evaluations_numbers_and_the_comparisons_verdict(lock):
    path = card.run("dpo-0")
    assert path == Path("reports/cards/dpo-0/README.md")
    text = path.read_text(encoding="utf-8")
    data = ModelCard(text).data
    scores = json.loads(Path("reports/metrics/evaluate-dpo-0.json").read_text(encoding="utf-8"))
    found = json.loads(Path("reports/comparison.json").read_text(encoding="utf-8"))
    assert (data.language, data.pipeline_tag, data.model_name) == ("ko", "summarization", "dpo-0")
    assert data.license is None
    told = {result.metric_name: result.metric_value for result in data.eval_results}
    assert told["ROUGE-L, greedy"] == scores["greedy_rougeL"]
    assert told["KL, nats, sampled"] == scores["sampled_kl_k1"]
    assert f"| ROUGE-1 | {scores['greedy_rouge1']} | {scores['sampled_rouge1']} |" in text
    assert f"weights, SHA-256 | {found['hashes']['models']['dpo-0']}" in text
    assert "| models/dpo-0, DVC's MD5 | d1ce.dir |" in text
    beta = lock.parameters.branches.entries()["dpo"].beta
    assert f"| beta | {beta} |" in text
    (row,) = [
        row
        for row in found["differences"]["greedy"]
        if (row["left"], row["right"], row["measure"]) == ("dpo", "sft", found["headline"])
    ]
    assert f"{row['difference']:+.3f}" in text
    assert card.run("dpo-0").read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    "name", ["metrics/evaluate-dpo-0", "metrics/align-dpo-0", "metrics/prepare", "comparison"]
)
def test_a_file_that_is_not_the_locks_is_refused_by_name(lock, name):
    path = f"reports/{name}.json"
    edit(path, rows=10_000)
    with pytest.raises(Refusal, match=f"{path}: is not the file that dvc.lock holds"):
        card.run("dpo-0")
    Path(path).unlink()
    with pytest.raises(Refusal, match=f"{path}: is not here"):
        card.run("dpo-0")
    assert not Path("reports/cards").exists()


def test_a_comparison_of_another_training_or_evaluation_is_refused(lock):
    whole = YAML(typ="safe").load(Path("dvc.lock"))
    edit("reports/metrics/align-dpo-0.json", weights_sha256="of a later training")
    whole["stages"]["align-dpo-0"]["outs"][0] = out("reports/metrics/align-dpo-0.json")
    YAML().dump(whole, Path("dvc.lock"))
    with pytest.raises(Refusal, match="dpo-0 was trained again after it was evaluated"):
        card.run("dpo-0")
    Path("reports/evaluation/sft/extra.txt").write_text("later")
    with pytest.raises(Refusal, match="other evaluations than are here"):
        card.run("dpo-0")


@pytest.mark.parametrize(
    ("model", "said"), [("sft", "is no branch and seed"), ("rloo-7", "dvc.lock holds no such")]
)
def test_what_has_no_card_is_refused(lock, model, said):
    with pytest.raises(Refusal, match=said):
        card.run(model)
