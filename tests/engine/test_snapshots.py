"""Snapshots on the way of a training: at which steps, whose bytes, and that the training does not notice them."""

import shutil
from pathlib import Path

import pytest
import torch

from tasks.engine import models, training
from tasks.engine.snapshots import Snapshots, merged_weights, steps
from tasks.refusal import Refusal

LORA = {"rank": 2, "alpha": 4.0, "dropout": 0.0, "modules": "all-linear"}
COMMAND = {
    "dpo": "align --family pairs --branch dpo --seed 0",
    "rloo": "align --family online --branch rloo --seed 0",
}


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def weights(folder):
    return models.verified_manifest(Path(folder))["weights_sha256"]


def test_they_are_evenly_spaced_between_start_and_end():
    assert steps(2, 36) == [12, 24]
    assert steps(3, 10) == [2, 5, 7]  # 2.5, 5 and 7.5, cut off
    assert steps(0, 36) == []


def test_a_training_too_short_for_all_has_fewer_and_never_its_start_or_end():
    assert steps(2, 2) == [1]
    assert steps(16, 3) == [1, 2]
    assert steps(2, 1) == []


@pytest.mark.parametrize("branch", COMMAND)
def test_a_branch_leaves_whole_models_that_name_their_step(branch, here):
    folder = models.snapshots_of(f"{branch}-0")
    assert [path.name for path in folder.iterdir()] == ["step-1"]
    manifest = models.verified_manifest(folder / "step-1")
    assert (manifest["step"], manifest["of"], manifest["start_sha256"]) == (1, 2, weights(models.SFT))
    assert len({weights(folder / "step-1"), weights(models.SFT), weights(f"models/{branch}-0")}) == 3
    assert models.load_tokenizer(folder / "step-1").eos_token_id is not None


@pytest.mark.parametrize("branch", COMMAND)
def test_without_them_the_folder_is_empty_and_the_training_ends_in_the_same_bits(branch, own):
    before, folder = weights(f"models/{branch}-0"), models.snapshots_of(f"{branch}-0")
    own.change("align", snapshots=0)
    own.run(COMMAND[branch])
    assert folder.is_dir()
    assert list(folder.iterdir()) == []
    assert weights(f"models/{branch}-0") == before


@pytest.mark.parametrize("branch", COMMAND)
def test_one_is_what_a_training_of_as_many_steps_ends_as(branch, own):
    family = "pairs" if branch == "dpo" else "online"
    own.change(f"branches.{family}.{branch}.optimisation", steps=2, schedule="constant")
    own.run(COMMAND[branch])
    on_the_way = weights(models.snapshots_of(f"{branch}-0") / "step-1")
    own.change(f"branches.{family}.{branch}.optimisation", steps=1, schedule="constant")
    own.run(COMMAND[branch])
    assert weights(f"models/{branch}-0") == on_the_way


@pytest.mark.parametrize(
    ("branch", "changed"), [("dpo", {"engine": "trl"}), ("rloo", {"lora": LORA})], ids=str
)
def test_a_training_that_resumes_has_the_same_snapshots(branch, changed, here, scratch, notes, tmp_path):
    """Killed behind the checkpoint of step 2, in the middle of writing the snapshot of step 3."""
    entry = here.entry(branch, steps=4, checkpoint_every=2, **changed)

    def trained():
        trainer = here.trainer(entry, scratch)
        kept = Snapshots(trainer, models.load_tokenizer(models.SFT), scratch, [1, 2, 3], start_sha256="s")
        trainer.add_callback(kept)
        training.fit(trainer, notes, scratch)
        kept.publish(tmp_path / "published")
        ended = {name: weight.clone() for name, weight in training.merged(trainer).named_parameters()}
        return contents(tmp_path / "published"), ended

    whole, expected = trained()
    shutil.rmtree(scratch / "checkpoint-4")
    half = scratch / "snapshots/step-3"
    half.rename(half.with_name(".step-3.partial"))
    (half.with_name(".step-3.partial") / "model.safetensors").write_bytes(b"half")
    resumed, found = trained()
    assert any("resuming from step 2" in line for line in notes.said)
    assert {path.parts[0] for path in whole} == {"step-1", "step-2", "step-3"}
    assert resumed == whole
    assert len({resumed[Path(f"step-{step}/model.safetensors")] for step in (1, 2, 3)}) == 3
    assert all(torch.equal(weight, found[name]) for name, weight in expected.items())


def test_a_snapshot_that_is_gone_is_refused(here, scratch, notes, tmp_path):
    trainer = here.trainer(here.entry("dpo", steps=1), scratch)
    kept = Snapshots(trainer, models.load_tokenizer(models.SFT), scratch, [1])
    with pytest.raises(
        Refusal, match=r"snapshots/step-1: is missing, though the training went past its step"
    ):
        kept.publish(tmp_path / "published")
    assert not (tmp_path / "published").exists()


@pytest.mark.parametrize("shape", ["llama", "qwen2"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_adapters_are_merged_as_at_the_end_and_the_model_stays(shape, dtype, build, adapted):
    policy = adapted(build(shape, dtype=dtype))
    before = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    found = merged_weights(policy.get_base_model())
    assert all(torch.equal(tensor, before[name]) for name, tensor in policy.state_dict().items())
    ended = policy.merge_and_unload().state_dict()
    assert found.keys() == ended.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in ended.items())
    assert not torch.equal(
        ended["model.layers.0.mlp.up_proj.weight"],
        build(shape, dtype=dtype).state_dict()["model.layers.0.mlp.up_proj.weight"],
    )
