"""The frontier of hand-made snapshots: its points, its onset, its best of n, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.measures.comparison import Bootstrap
from tasks.measures.evaluations import FOLDER, Evaluation
from tasks.measures.frontier import CLIMBED, Frontier
from tasks.refusal import Refusal

BOOTSTRAP = Bootstrap(0.95, 1000, 0)
MANY = 24  # prompts of a curve
RISING, TURNING = (0.0, 1.0, 2.0, 3.0), (0.0, 0.4, 0.2, 0.0)


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def evaluated(model, steps, *, climbed="a", extra=1, **values_TPK):
    """An evaluation whose snapshots have these values; `extra` prompts more are in its predictions."""
    shape = np.shape(next(iter(values_TPK.values())))
    numbers = {name: np.zeros(shape) for name in ("kl_k1", "reward", CLIMBED, "gold")}
    numbers |= {name: np.asarray(values, dtype=float) for name, values in values_TPK.items()}
    keys = [(f"p{p}", step, k) for p in range(shape[1]) for step in steps for k in range(shape[2])]
    table = pa.table(
        dict(zip(("id", "step", "sample"), map(list, zip(*keys, strict=True)), strict=True))
        | {name: values.transpose(1, 0, 2).ravel() for name, values in numbers.items()}
    )
    write(model, table)
    prompts = [f"p{p}" for p in range(shape[1] + extra)]
    predictions = pa.table({"id": prompts, "decoding": ["sampled"] * len(prompts)})
    return Evaluation(model, predictions, {"snapshots": [{}], "climbed_sha256": climbed})


def write(model, table):
    folder = FOLDER / model
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "snapshots.parquet")


def changed(model, name, values):
    path = FOLDER / model / "snapshots.parquet"
    table = pq.read_table(path)
    return table.set_column(table.schema.get_field_index(name), name, pa.array(values))


def small():
    """SFT, and a branch with a snapshot at step 12 of 36; two prompts of two samples."""
    return [
        evaluated("sft", [0], gold=[[[0.1, 0.3], [0.5, 0.7]]], reward_climbed=[[[1, 1], [2, 2]]]),
        evaluated(
            "dpo-0",
            [12, 36],
            kl_k1=[[[0, 2], [2, 4]], [[5, 5], [5, 5]]],
            gold=[[[0.2, 0.4], [0.6, 0.8]], [[0, 0], [1, 1]]],
        ),
    ]


def curves(name, gold, seeds=2):
    """SFT and a branch's seeds whose climbed reward rises and whose gold goes by these means."""
    hard_PK = np.random.default_rng(0).uniform(size=(MANY, 1))
    wobble_PK = 0.01 * np.cos(np.arange(MANY))[:, None]
    found = [evaluated("sft", [0], gold=[hard_PK + gold[0]], reward_climbed=[hard_PK])]
    for seed in range(seeds):
        values = {
            "gold": [hard_PK + mean + wobble_PK * place for place, mean in enumerate(gold[1:], 1)],
            "reward_climbed": [hard_PK + mean + wobble_PK for mean in RISING[1:]],
            "kl_k1": [np.full((MANY, 1), place + 0.5 * seed) for place in (1.0, 2.0, 3.0)],
        }
        found.append(evaluated(f"{name}-{seed}", [10, 20, 30], **values))
    return found


def of(evaluations, starts=None, seeds=(0,)):
    return Frontier.of(evaluations, starts or {"dpo": "models/sft"}, seeds, "gold")


def test_points_by_hand():
    start, first, end = of(small()).points()
    assert (start["branch"], start["seed"], start["step"], start["kl"], start["kl_se"]) == (
        "sft",
        None,
        0,
        0,
        0,
    )
    assert (start["gold"], start[CLIMBED]) == (pytest.approx(0.4), 1.5)
    assert (first["branch"], first["seed"], first["step"]) == ("dpo", 0, 12)
    assert first["share_of_training"] == pytest.approx(1 / 3)
    # prompts of 1 and 3 nats: mean 2, deviation sqrt(2), error sqrt(2) / sqrt(2)
    assert (first["kl"], first["kl_se"], first["gold"]) == (2.0, pytest.approx(1.0), pytest.approx(0.5))
    assert (end["step"], end["kl"], end["kl_se"], end["gold"]) == (36, 5.0, 0.0, 0.5)


def test_a_branch_without_snapshots_is_left_out_and_without_any_there_is_no_frontier():
    evaluations = small()
    bare = Evaluation("kto-0", evaluations[0].table, {})
    starts = {"dpo": "models/sft", "kto": "models/sft"}
    assert {point["branch"] for point in of([*evaluations, bare], starts).points()} == {"sft", "dpo"}
    nothing = of([evaluations[0], bare], {"kto": "unpaired"}).as_json({}, BOOTSTRAP)
    assert nothing == {"prompts": 0, "points": [], "best_of": [], "onset": []}


def test_an_onset_stands_at_its_step_and_kl():
    (entry,) = of(curves("dpo", TURNING), seeds=(0, 1)).onsets(BOOTSTRAP)
    assert (entry["branch"], entry["steps"]) == ("dpo", [0, 10, 20, 30])
    assert (entry["step"], entry["until"]) == (10, 20)
    assert (entry["kl"], entry["kl_by_seed"]) == (1.25, [1.0, 1.5])
    assert entry[CLIMBED]["mean"] == pytest.approx(1.0)
    assert entry["gold"]["mean"] == pytest.approx(-0.2, abs=0.01)
    json.dumps(entry, allow_nan=False)


def test_gold_that_rises_has_none():
    (entry,) = of(curves("dpo", RISING), seeds=(0, 1)).onsets(BOOTSTRAP)
    assert entry == {"branch": "dpo", "steps": [0, 10, 20, 30], "step": None}


def test_what_does_not_start_at_sft_is_not_held_against_it():
    """Gold lies below SFT's from the first snapshot on, and rises from there."""
    falling = (0.5, 0.0, 0.1, 0.2)
    started, apart = (
        of(curves("dpo", falling), {"dpo": start}, seeds=(0, 1)).onsets(BOOTSTRAP)[0]
        for start in ("models/sft", "models/m1-<seed>")
    )
    assert (started["step"], started["until"]) == (0, 10)
    assert (apart["steps"], apart["step"]) == ([10, 20, 30], None)


def test_best_of_n_is_of_the_few_prompts_alone():
    """Two prompts whose best by the ranking is their second sample; a third prompt is not among the few."""
    ranked = {
        "ranking": np.array([[0.0, 1.0], [2.0, 3.0], [9.0, 9.0]]),
        "gold": np.array([[0.2, 0.4], [0.6, 0.8], [9.0, 9.0]]),
    }
    one, two = of(small()).best_of(ranked, BOOTSTRAP)
    assert (one["n"], one["gold"]["mean"], one[CLIMBED]["mean"]) == (
        1,
        pytest.approx(0.5),
        pytest.approx(1.5),
    )
    assert (two["n"], two["gold"]["mean"], two[CLIMBED]["mean"]) == (
        2,
        pytest.approx(0.6),
        pytest.approx(2.0),
    )
    assert two["kl_bound"] == pytest.approx(np.log(2) - 0.5)


def test_ways_that_are_not_of_one_picture_are_refused():
    sft, dpo = small()
    other = evaluated("dpo-0", [12, 36], climbed="b", gold=np.zeros((2, 2, 2)))
    with pytest.raises(Refusal, match="was scored by another reward model than sft"):
        of([sft, other])
    with pytest.raises(Refusal, match="is of other prompts than sft's"):
        of([sft, evaluated("dpo-0", [12, 36], gold=np.zeros((2, 3, 2)))])
    other = evaluated("dpo-1", [9, 36], gold=np.zeros((2, 2, 2)))
    small()
    with pytest.raises(Refusal, match="has other steps than dpo-0"):
        of([sft, dpo, other], seeds=(0, 1))


def test_rows_that_are_not_whole_are_refused():
    evaluations = small()
    path = FOLDER / "dpo-0/snapshots.parquet"
    whole = pq.read_table(path)
    faults = {
        "does not hold every step's samples of every prompt, in order": whole.slice(1),
        "a value of gold is missing or not finite": changed("dpo-0", "gold", [float("nan")] * len(whole)),
        "the columns reward_climbed are missing": whole.drop_columns([CLIMBED]),
        "is not of the first prompts": changed("dpo-0", "id", ["p1"] * 4 + ["p0"] * 4),
    }
    for fault, table in faults.items():
        write("dpo-0", table)
        with pytest.raises(Refusal, match=fault):
            of(evaluations)
    path.unlink()
    with pytest.raises(Refusal, match=r"snapshots.parquet: cannot be read"):
        of(evaluations)
