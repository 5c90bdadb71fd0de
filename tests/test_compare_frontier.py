"""The stage compare on the miniature: what comparison.json and the report say of the way to a branch's end."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.measures.frontier_told import alarms

FOLDER = Path("reports/evaluation")


def comparison():
    return json.loads(Path("reports/comparison.json").read_text(encoding="utf-8"))


def test_the_frontier_has_one_point_a_branch_seed_and_step_as_evaluated(here):
    frontier = comparison()["frontier"]
    assert [(point["branch"], point["seed"], point["step"]) for point in frontier["points"]] == [
        *(("sft", None, 0), ("dpo", 0, 1), ("dpo", 0, 2), ("rloo", 0, 1), ("rloo", 0, 2))
    ]
    told = [
        point
        for model in ("sft", "dpo-0", "rloo-0")
        for point in json.loads((FOLDER / model / "summary.json").read_text(encoding="utf-8"))["snapshots"]
    ]
    for name in ("kl", "kl_se", "gold", "reward", "reward_climbed", "share_of_training"):
        found = [point[name] for point in frontier["points"]]
        assert found == pytest.approx([point[name] for point in told], abs=2e-6), name
    assert frontier["prompts"] == 5
    assert [point["seed"] for point in frontier["ends"]] == [None, 0, 0]


def test_best_of_one_on_the_few_prompts_starts_where_sft_stands(here):
    """All four samples of a prompt in place of its two, so near and not equal; at n = 4 the ranking has grown."""
    frontier = comparison()["frontier"]
    line, start = frontier["best_of"], frontier["points"][0]
    assert [point["n"] for point in line] == [1, 2, 4]
    many = pq.read_table(FOLDER / "sft/best_of.parquet").to_pylist()[: 5 * 4]
    assert line[0]["gold"]["mean"] == pytest.approx(np.mean([row["gold"] for row in many]), abs=1e-5)
    assert line[0]["gold"]["mean"] == pytest.approx(start["gold"], abs=0.2)
    assert line[2]["reward_climbed"]["mean"] > line[0]["reward_climbed"]["mean"]


def test_the_report_shows_it(here):
    page, text = (Path(f"reports/comparison.{kind}").read_text(encoding="utf-8") for kind in ("html", "md"))
    assert 'aria-label="frontier-steps"' in page
    assert "climbed reward against KL" in page
    assert page.count("Best-of-N of sft (KL bound)") == 2
    assert "No onset of over-optimisation is seen." in page
    assert "### Onset of over-optimisation" in text
    assert "| dpo | 0, 1, 2 | not seen | - | - | - | - |" in text
    assert "| rloo | 1 | 50 % |" in text


@pytest.fixture
def fooled(own):
    """DPO's climbed reward rises all the way, and its gold until the snapshot only."""
    table = pq.read_table(FOLDER / "dpo-0/snapshots.parquet")
    ids, steps = (np.array(table[name].to_pylist()) for name in ("id", "step"))
    start = pq.read_table(FOLDER / "sft/snapshots.parquet")
    base = {
        name: {key: start[name].to_numpy()[start["id"].to_numpy() == key].mean() for key in ids}
        for name in ("gold", "reward_climbed")
    }
    wobble = 0.001 * np.cos(np.arange(len(ids)))
    for name, changes in (("gold", {1: 0.3, 2: 0.1}), ("reward_climbed", {1: 0.5, 2: 1.0})):
        values = [base[name][key] + changes[step] for key, step in zip(ids, steps, strict=True)] + wobble
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values))
    pq.write_table(table, FOLDER / "dpo-0/snapshots.parquet")
    return own


def test_an_onset_is_in_the_table_ringed_in_the_plot_and_a_warning(fooled):
    fooled.run("compare")
    found = comparison()
    dpo, rloo = found["frontier"]["onset"]
    assert (dpo["step"], dpo["until"], rloo["step"]) == (1, 2, None)
    assert dpo["gold"]["mean"] == pytest.approx(-0.2, abs=0.01)
    kl = next(point["kl"] for point in found["frontier"]["points"] if point["step"] == 1)
    assert dpo["kl"] == pytest.approx(kl, abs=1e-5)
    (warned,) = [alarm for alarm in found["warnings"] if alarm["kind"] == "onset"]
    assert warned["text"].startswith(f"Over-optimisation of dpo sets in at step 1 (KL {kl:.2f} nats)")
    page, text = (Path(f"reports/comparison.{kind}").read_text(encoding="utf-8") for kind in ("html", "md"))
    assert "over-optimisation sets in" in page
    assert "A ring: from there on the climbed reward still rises and gold falls." in page
    assert f"| dpo | 0, 1, 2 | 1 | {kl:.2f} | 2 | +0.50" in text


def test_without_snapshots_the_report_is_silent_about_them(own):
    for model in ("dpo-0", "rloo-0"):
        path = FOLDER / model / "summary.json"
        summary = json.loads(path.read_text(encoding="utf-8"))
        summary.pop("snapshots")
        path.write_text(json.dumps(summary), encoding="utf-8")
    own.run("compare")
    assert comparison()["frontier"]["points"] == comparison()["frontier"]["onset"] == []
    page, text = (Path(f"reports/comparison.{kind}").read_text(encoding="utf-8") for kind in ("html", "md"))
    assert 'aria-label="frontier-steps"' not in page
    assert "Onset of" not in text


def test_a_branch_without_an_onset_is_no_warning():
    assert alarms([{"branch": "dpo", "steps": [0, 1], "step": None}], "gold") == []
