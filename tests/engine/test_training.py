"""What every trainer shares: arguments, adapters, the step-0 identity, the curve, resuming."""

from math import nan
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tasks import align
from tasks.engine import models, training
from tasks.refusal import Refusal
from tasks.settings import Lora, Optimisation

OTHER = {
    "learning_rate": 0.5,
    "schedule": "cosine",
    "warmup_steps": 3,
    "weight_decay": 0.5,
    "max_grad_norm": 0.5,
    "steps": 7,
    "batch_size": 5,
    "gradient_accumulation": 3,
    "gradient_checkpointing": True,
    "checkpoint_every": 3,
}
STATE = SimpleNamespace(global_step=1, max_steps=2)


def lora(**changed):
    return Lora.model_validate(
        {"rank": 2, "alpha": 4.0, "dropout": 0.5, "modules": "q_proj, v_proj"} | changed
    )


@pytest.fixture
def policy(here):
    return models.load_policy(models.SFT, here.parameters.compute)


def held(notes, identity, tolerance=1e-4):
    return training.JournalCallback(notes, "dpo-0", identity, tolerance)


def test_every_field_of_an_optimisation_reaches_the_trainer(project, scratch):
    before = project.entry("dpo").optimisation
    compute = project.parameters.compute
    plain = training.arguments(before, compute, 0, scratch)
    for name in Optimisation.model_fields.keys() - {"lora", "engine", "order"}:
        after = Optimisation.model_validate(before.model_dump() | {name: OTHER[name]})
        assert training.arguments(after, compute, 0, scratch) != plain, name


def test_what_computes_reaches_the_trainer(project, scratch):
    walk, compute = project.entry("dpo").optimisation, project.parameters.compute
    given = training.arguments(walk, compute.model_copy(update={"dtype": "bfloat16"}), 3, scratch)
    assert given["bf16"] is True
    assert (given["seed"], given["data_seed"], given["use_cpu"]) == (3, 3, True)
    assert training.arguments(walk, compute, 0, scratch)["bf16"] is False


def test_every_field_of_an_adapter_reaches_peft(policy):
    made = training.adapter(lora(), "CAUSAL_LM", policy)
    assert (made.r, made.lora_alpha, made.lora_dropout) == (2, 4.0, 0.5)
    assert made.target_modules == {"q_proj", "v_proj"}
    assert training.adapter(lora(modules="all-linear"), "CAUSAL_LM", policy).target_modules == "all-linear"
    assert training.adapter(None, "CAUSAL_LM", policy) is None


def test_a_reward_models_new_head_is_trained_whole(policy):
    assert training.adapter(lora(), "SEQ_CLS", policy).modules_to_save == ["score"]
    assert training.adapter(lora(), "CAUSAL_LM", policy).modules_to_save is None


@pytest.mark.parametrize("name", ["q_prj", "lm_head", "embed_tokens", ""])
def test_a_layer_that_cannot_be_adapted_is_refused_with_those_that_can(name, policy):
    with pytest.raises(
        Refusal, match=rf"there is no layer '{name}' to adapt; name some of down_proj, .*all-linear"
    ):
        training.adapter(lora(modules=f"q_proj,{name}"), "CAUSAL_LM", policy)


def ordered(lengths, steps, size, seed=0, by="random"):
    walk = Optimisation.model_validate(OTHER | {"steps": steps, "order": by, "engine": "trl", "lora": None})
    order = training.in_order(lengths, walk, seed, size)
    return [order[at : at + size] for at in range(0, len(order), size)]


@pytest.mark.parametrize("by", ["random", "length"])
def test_a_trainings_order_holds_every_row_once_an_epoch(by):
    batches = ordered([1] * 24, steps=6, size=8, by=by)
    assert [len(batch) for batch in batches] == [8] * 6
    assert sorted(row for batch in batches for row in batch) == sorted([*range(24)] * 2)
    assert ordered([1] * 24, 6, 8, by=by) == batches
    assert ordered([1] * 24, 6, 8, seed=1, by=by) != batches
    assert len(ordered([1] * 3, steps=2, size=8, by=by)) == 2  # more rows a step than there are


def test_batches_by_length_are_of_like_length_and_do_not_go_from_long_to_short():
    lengths = [(7 * row) % 160 for row in range(160)]
    batches = ordered(lengths, steps=training.POOL, size=10, by="length")
    spreads = [max(lengths[row] for row in batch) - min(lengths[row] for row in batch) for batch in batches]
    assert spreads == [9] * training.POOL
    means = [sum(lengths[row] for row in batch) for batch in batches]
    assert means not in (sorted(means), sorted(means, reverse=True))


def test_a_first_step_that_is_off_its_identity_stops_the_training(notes):
    callback = held(notes, {"rewards/chosen": 0.0, "loss": 0.6931})
    with pytest.raises(
        Refusal, match=r"dpo-0: at step 0 loss is 0.669900 and must be 0.693100: the policy does not"
    ):
        callback.on_log(None, STATE, None, {"loss": 0.6699, "rewards/chosen": 0.0})
    assert notes.lines == []


def test_a_first_step_that_is_no_number_stops_the_training(notes):
    with pytest.raises(Refusal, match="loss is nan"):
        held(notes, {"loss": 0.0}).on_log(None, STATE, None, {"loss": nan})


def test_the_identity_is_asked_of_the_first_step_alone(notes):
    callback = held(notes, {"loss": 0.0})
    callback.on_log(None, STATE, None, {"loss": 5e-5, "step_time": 0.3, "epoch": 0.1})
    callback.on_log(None, SimpleNamespace(global_step=2, max_steps=2), None, {"loss": 3.0})
    callback.on_log(None, SimpleNamespace(global_step=2, max_steps=2), None, {"train_runtime": 3.0})
    assert notes.lines == [{"step": 1, "loss": 5e-5}, {"step": 2, "loss": 3.0}]


def test_a_training_whose_reference_is_another_model_stops_at_its_first_step(own, scratch, notes):
    """Without the check of weights, the first loss alone tells it."""
    entry = own.entry("dpo", steps=1, engine="trl")
    trainer = own.trainer(entry, scratch)
    with torch.no_grad():
        for weight in trainer.ref_model.parameters():
            weight.mul_(1.1)
    trainer.add_callback(held(notes, {"rewards/chosen": 0.0}))
    with pytest.raises(Refusal, match="at step 0 rewards/chosen is"):
        training.fit(trainer, notes, scratch)


@pytest.mark.parametrize("branch", ["dpo", "rloo"])
def test_the_curve_holds_the_first_and_the_last_step(branch, project):
    assert [line["step"] for line in project.curve(f"align-{branch}-0")] == [1, 2]


@pytest.mark.parametrize("branch", ["dpo", "rloo"])
def test_a_training_that_goes_on_from_a_checkpoint_ends_as_if_it_had_never_stopped(
    branch, here, scratch, notes
):
    entry = here.entry(branch, steps=3, checkpoint_every=2)

    def trained():
        trainer = here.trainer(entry, scratch)
        training.fit(trainer, notes, scratch)
        return {name: weight.clone() for name, weight in training.merged(trainer).named_parameters()}

    whole = trained()
    for path in scratch.glob("checkpoint-3/*"):
        path.unlink()
    (scratch / "checkpoint-3").rmdir()
    notes.said.clear()
    resumed = trained()
    assert notes.said == ["resuming from step 2", "resumed from 2"]
    assert all(torch.equal(weight, resumed[name]) for name, weight in whole.items())


def test_a_step_of_1e_6_is_not_lost_in_bfloat16(own, notes):
    own.change("compute", dtype="bfloat16")
    own.change("branches.pairs.dpo.optimisation", learning_rate=1e-6, steps=1)
    own.run("align --family pairs --branch dpo --seed 0")
    before, after = (
        models.load_policy(name, own.parameters.compute, trained=True)
        for name in ("models/sft", "models/dpo-0")
    )
    changed = [
        (a != b).float().mean().item() for a, b in zip(before.parameters(), after.parameters(), strict=True)
    ]
    assert min(changed) > 0.5


@pytest.mark.parametrize("branch", ["dpo", "rloo"])
@pytest.mark.parametrize("way", ["lora", "bfloat16", "lora in bfloat16", "accumulation", "checkpointing"])
def test_a_branch_starts_as_its_reference_however_it_is_trained(branch, way, own):
    family = "pairs" if branch == "dpo" else "online"
    adapter = {"rank": 2, "alpha": 4.0, "dropout": 0.5, "modules": "all-linear"} if "lora" in way else None
    if "bfloat16" in way:
        own.change("compute", dtype="bfloat16")
    walk = {"steps": 1, "lora": adapter, "gradient_accumulation": 2 if way == "accumulation" else 1}
    own.change(
        f"branches.{family}.{branch}.optimisation", **walk, gradient_checkpointing=way == "checkpointing"
    )
    found = own.run(f"align --family {family} --branch {branch} --seed 0")  # refuses where it does not

    first = own.curve(f"align-{branch}-0")[0]
    assert first["grad_norm"] > 0
    noise = align.TOLERANCE[
        own.parameters.compute.dtype
    ]  # the reference is cached, or in another forward pass
    assert first["kl" if branch == "rloo" else "rewards/margins"] == pytest.approx(0, abs=noise)
    sft = models.verified_manifest(models.SFT)["weights_sha256"]
    assert found["start_sha256"] == found["reference_sha256"] == sft
    made = models.load_policy(f"models/{branch}-0", own.parameters.compute)
    assert not models.same_weights(made, models.SFT)
    assert not any("lora" in name for name, _ in made.named_parameters())


@pytest.mark.parametrize("branch", ["dpo", "rloo"])
def test_dropout_is_off_so_that_policy_and_reference_differ_by_training_alone(branch, here, scratch):
    adapter = {"rank": 2, "alpha": 4.0, "dropout": 0.5, "modules": "all-linear"}
    trainer = here.trainer(here.entry(branch, lora=adapter), scratch)
    dropouts = [part.p for part in trainer.model.modules() if isinstance(part, torch.nn.Dropout)]
    assert dropouts
    assert set(dropouts) == {0}


def test_a_policy_that_does_not_start_as_models_sft_is_refused(own, scratch):
    trainer = own.trainer(own.entry("dpo"), scratch)
    align.require_start(trainer, "dpo", models.SFT)
    with torch.no_grad():
        trainer.model.model.norm.weight[0] += 1e-6
    with pytest.raises(Refusal, match="its start is not models/sft; make models/sft again with `dvc repro`"):
        align.require_start(trainer, "dpo", models.SFT)


@pytest.mark.parametrize("branch", ["dpo", "rloo"])
def test_a_reference_that_is_the_base_model_is_refused(branch, own, scratch):
    trainer = own.trainer(own.entry(branch, engine="trl" if branch == "dpo" else "gallim"), scratch)
    trainer.ref_model = models.load_policy("models/base", own.parameters.compute)
    with pytest.raises(Refusal, match=f"branch {branch}: its reference is not models/sft"):
        align.require_start(trainer, branch, models.SFT)


def test_an_adapters_reference_is_the_weights_below_it(own, scratch):
    adapter = {"rank": 2, "alpha": 4.0, "dropout": 0.5, "modules": "all-linear"}
    trainer = own.trainer(own.entry("dpo", lora=adapter), scratch)
    align.require_start(trainer, "dpo", models.SFT)
    with torch.no_grad():
        trainer.model.get_base_model().model.norm.weight[0] += 1e-6
    with pytest.raises(Refusal, match="is not models/sft"):
        align.require_start(trainer, "dpo", models.SFT)


def test_a_branch_whose_models_sft_was_tampered_with_does_not_start(own):
    path = Path("models/sft/model.safetensors")
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    with pytest.raises(Refusal, match=r"models/sft/model.safetensors: its bytes"):
        own.run("align --family pairs --branch dpo --seed 0")
