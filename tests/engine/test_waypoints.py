"""A branch's snapshots, measured in the stage evaluate: as the whole evaluation would, on its first prompts."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.engine import models, waypoints
from tasks.refusal import Refusal

FEW, SAMPLES = 5, 2  # of the miniature


def rows(model, **wanted):
    table = pq.read_table(f"reports/evaluation/{model}/snapshots.parquet").to_pylist()
    return [row for row in table if all(row[name] == value for name, value in wanted.items())]


def sampled(model):
    table = pq.read_table(f"reports/evaluation/{model}/predictions.parquet").to_pylist()
    return [row for row in table if row["decoding"] == "sampled"][: FEW * SAMPLES]


def summary(model):
    return json.loads(Path(f"reports/evaluation/{model}/summary.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("model", "steps"), [("sft", [0]), ("dpo-0", [1, 2]), ("rloo-0", [1, 2])])
def test_each_step_has_the_first_prompts_and_no_others(model, steps, here):
    ids = pq.read_table("data/prepared/test.parquet")["id"].to_pylist()[:FEW]
    assert [(row["id"], row["step"], row["sample"]) for row in rows(model)] == [
        (name, step, sample) for name in ids for step in steps for sample in range(SAMPLES)
    ]


@pytest.mark.parametrize(("model", "last"), [("sft", 0), ("dpo-0", 2), ("rloo-0", 2)])
def test_the_end_has_the_rows_of_the_whole_evaluation(model, last, here):
    few = rows(model, step=last)
    for name in ("id", "sample", "prediction", "gold"):
        assert [row[name] for row in few] == [row[name] for row in sampled(model)], name
    for name in ("kl_k1", "kl_k3", "reward"):
        expected = [row[name] for row in sampled(model)]
        assert [row[name] for row in few] == pytest.approx(expected, abs=1e-4), name


def test_a_snapshot_is_measured_as_the_same_model_would_be_at_the_end(own):
    """The same weights as snapshot and as end: the same texts, drawn by the same numbers, and the same measures."""
    place = models.snapshots_of("dpo-0") / "step-1"
    policy = models.load_policy("models/dpo-0", own.parameters.compute)
    models.save(policy, models.load_tokenizer(models.SFT), place, step=1, of=2)
    own.run("evaluate --model dpo-0")
    on_the_way, end = rows("dpo-0", step=1), rows("dpo-0", step=2)
    assert [row["prediction"] for row in on_the_way] == [row["prediction"] for row in end]
    for name in ("kl_k1", "kl_k3", "gold", "reward", "reward_climbed"):
        assert [row[name] for row in on_the_way] == pytest.approx([row[name] for row in end], abs=1e-3), name


def test_a_snapshot_that_has_not_moved_is_sft(own):
    place = models.snapshots_of("rloo-0") / "step-1"
    policy = models.load_policy(models.SFT, own.parameters.compute)
    models.save(policy, models.load_tokenizer(models.SFT), place, step=1, of=2)
    own.run("evaluate --model rloo-0")
    start, first = rows("sft"), rows("rloo-0", step=1)
    assert [row["prediction"] for row in first] == [row["prediction"] for row in start]
    assert [row["reward_climbed"] for row in first] == pytest.approx(
        [r["reward_climbed"] for r in start], abs=1e-3
    )
    assert max(abs(row["kl_k1"]) for row in first) < 1e-4
    assert {row["kl_k1"] for row in start} == {0.0}
    assert summary("sft")["snapshots"][0]["kl"] == summary("sft")["snapshots"][0]["kl_se"] == 0


def test_the_climbed_reward_is_what_best_of_n_is_ranked_by(here):
    many = pq.read_table("reports/evaluation/sft/best_of.parquet").to_pylist()
    ranking = {(row["id"], row["sample"]): row["ranking"] for row in many}
    found = rows("sft")
    expected = [ranking[row["id"], row["sample"]] for row in found]
    assert [row["reward_climbed"] for row in found] == pytest.approx(expected, abs=1e-3)
    assert [row["reward"] for row in found] != pytest.approx(expected, abs=1e-2)


def test_the_points_are_means_of_their_rows(here):
    first, last = summary("dpo-0")["snapshots"]
    assert (first["step"], first["share_of_training"], first["prompts"]) == (1, 0.5, FEW)
    assert (last["step"], last["share_of_training"]) == (2, 1.0)
    kl_PK = np.array([row["kl_k1"] for row in rows("dpo-0", step=1)]).reshape(FEW, SAMPLES)
    assert first["kl"] == pytest.approx(kl_PK.mean(), abs=1e-5)
    for name in ("gold", "reward", "reward_climbed"):
        assert first[name] == pytest.approx(np.mean([row[name] for row in rows("dpo-0", step=1)]), abs=1e-5)


def test_the_kls_standard_error_is_over_prompts_by_hand():
    """Prompts of 1 and 3 nats: deviation sqrt(2), over sqrt(2) prompts 1; samples of a prompt are averaged first."""
    names = {"id": ["a", "a", "b", "b"], "sample": [0, 1, 0, 1], "prediction": ["x"] * 4}
    table = pa.table(
        {"step": [3] * 4, "of": [4] * 4, **names, "kl_k1": [0.0, 2.0, 2.0, 4.0], "reward": [0.0] * 4}
    )
    (point,) = waypoints.points(table)
    assert (point["kl"], point["kl_se"], point["share_of_training"]) == (2.0, 1.0, 0.75)


def test_without_snapshots_a_branch_has_no_points(own):
    own.change("align", snapshots=0)
    own.run("align --family pairs --branch dpo --seed 0")
    Path("reports/evaluation/dpo-0/snapshots.parquet").unlink()
    own.run("evaluate --model dpo-0")
    assert "snapshots" not in summary("dpo-0")
    assert not Path("reports/evaluation/dpo-0/snapshots.parquet").exists()


def test_a_snapshot_that_was_tampered_with_is_refused_before_anything_is_computed(own, monkeypatch):
    path = Path("models/dpo-0-snapshots/step-1/model.safetensors")
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    monkeypatch.setattr("tasks.evaluate.Evaluator", SimpleNamespace())
    with pytest.raises(Refusal, match=r"dpo-0-snapshots/step-1/model.safetensors: its bytes"):
        own.run("evaluate --model dpo-0")


def test_a_branch_whose_folder_of_snapshots_is_gone_is_refused(own):
    Path("models/dpo-0-snapshots").rename("elsewhere")
    with pytest.raises(
        Refusal, match="models/dpo-0-snapshots: there is no such folder; run the stage align again"
    ):
        own.run("evaluate --model dpo-0")


def test_documents_without_facts_are_measured_by_rouge(own):
    table = pq.read_table("data/prepared/test.parquet")
    bare = [row | {"facts": None} if place == FEW else row for place, row in enumerate(table.to_pylist())]
    pq.write_table(table.from_pylist(bare, schema=table.schema), "data/prepared/test.parquet")
    own.change("judge", kind="exact")
    own.run("evaluate --model dpo-0")
    assert "gold" not in summary("dpo-0")["greedy"]  # of one document behind the few
    assert "gold" not in rows("dpo-0")[0]
    assert [row["rougeL"] for row in rows("dpo-0", step=2)] == [row["rougeL"] for row in sampled("dpo-0")]
