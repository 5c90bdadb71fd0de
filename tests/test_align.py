"""Stage align: what a branch leaves, and what stops it."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tasks.engine import models
from tasks.engine.families import online, pairs
from tasks.refusal import Refusal

BRANCHES = ["dpo", "rloo"]
COMMAND = {
    "dpo": "align --family pairs --branch dpo --seed 0",
    "rloo": "align --family online --branch rloo --seed 0",
}


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_branch_leaves_a_whole_model_that_names_its_start(branch, here):
    told, manifest = here.metrics[f"align-{branch}-0"], models.verified_manifest(Path(f"models/{branch}-0"))
    sft = json.loads((models.SFT / "manifest.json").read_text())["weights_sha256"]
    assert manifest["start_sha256"] == told["start_sha256"] == told["reference_sha256"] == sft
    assert manifest["weights_sha256"] == told["weights_sha256"] != sft
    assert (told["steps"], told["rows"]) == (2, len(pq.read_table("data/pairs/a.parquet")))


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_branch_run_again_gives_the_same_bytes(branch, own):
    folder = Path(f"models/{branch}-0")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    curve = own.curve(f"align-{branch}-0")
    assert own.run(COMMAND[branch]) == own.metrics[f"align-{branch}-0"]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert own.curve(f"align-{branch}-0") == curve


@pytest.mark.parametrize("branch", BRANCHES)
def test_another_seed_is_another_training(branch, own):
    family = "pairs" if branch == "dpo" else "online"
    own.change(f"branches.{family}.{branch}.optimisation", steps=1)
    found = own.run(f"align --family {family} --branch {branch} --seed 7")
    assert Path(f"models/{branch}-7").is_dir()
    assert found["weights_sha256"] != own.metrics[f"align-{branch}-0"]["weights_sha256"]


def test_dpo_tells_of_a_chosen_side_that_lost_likelihood():
    start = {"logps/chosen": -50.0, "rewards/chosen": 0.0, "rewards/margins": 0.0}
    fell = {"logps/chosen": -53.5, "rewards/chosen": -0.35, "rewards/margins": 0.4}
    rose = {"logps/chosen": -49.0, "rewards/chosen": 0.1, "rewards/margins": 0.4}
    assert pairs.told([start, fell]) == {
        "chosen_logp_change_nats": -3.5,
        "likelihood_displacement": True,
        "train_margin": 0.4,
    }
    assert pairs.told([start, rose])["likelihood_displacement"] is False


def test_rloo_tells_of_its_reward_and_of_groups_without_a_difference():
    start = {"reward": 0.25, "frac_reward_zero_std": 0.0, "completions/clipped_ratio": 0.5}
    end = {"reward": 1.0, "frac_reward_zero_std": 0.125, "completions/clipped_ratio": 0.25}
    assert online.told([start, end]) == {
        "train_reward_change": 0.75,
        "groups_without_difference": 0.125,
        "cut_off_share": 0.25,
    }


def test_the_told_change_is_that_of_the_curve(here):
    curve, told = here.curve("align-dpo-0"), here.metrics["align-dpo-0"]
    assert told["chosen_logp_change_nats"] == pytest.approx(
        curve[-1]["logps/chosen"] - curve[0]["logps/chosen"], abs=1e-5
    )


def test_a_branch_without_models_sft_does_not_start(own):
    (models.SFT / "manifest.json").unlink()
    with pytest.raises(
        Refusal, match=r"models/sft: has no manifest.json; run the stage that writes it again"
    ):
        own.run(COMMAND["dpo"])
