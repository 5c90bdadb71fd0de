"""Stage reward: Bradley-Terry's identities, and one text for training and for scoring."""

import json
import shutil
from math import log
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from tasks import reward
from tasks.engine import models, training
from tasks.engine.families.pairs import groups
from tasks.engine.reward_training import BradleyTerry
from tasks.engine.scoring import Scorer, rewards
from tasks.refusal import Refusal
from tasks.sections.trunk import TrainedReward

CHOSEN, REJECTED = [0.3, -1.0, 2.0], [0.1, 0.5, 2.0]
SOFTPLUS_1 = 1.3132616875182228
LORA = {"rank": 2, "alpha": 4.0, "dropout": 0.0, "modules": "all-linear"}


@pytest.fixture
def pairs(here):
    return pq.read_table("data/pairs/a.parquet").to_pylist()


@pytest.fixture
def tokenizer(here):
    return models.load_tokenizer(models.SFT)


@pytest.fixture
def made(here, pairs, tokenizer, scratch, notes, monkeypatch):
    """The stage's own trainer, not yet trained, for one centring coefficient."""

    def make(center):
        caught = []
        monkeypatch.setattr(training, "fit", lambda trainer, *_: caught.append(trainer))
        monkeypatch.setattr(training, "merged", lambda trainer: trainer.model)
        given = here.parameters.reward.source.model_dump() | {"center": center}
        source = TrainedReward.model_validate(given)
        reward.train(source, tokenizer, pairs, here.parameters.compute, notes, scratch)
        return caught[0]

    return make


@pytest.fixture
def trainer(made):
    return made(0.0)


def losses(chosen, rejected, center=0.0):
    """The loss of each pair with these rewards."""
    both = torch.tensor([chosen, rejected]).T.flatten()
    return BradleyTerry(center).losses(SimpleNamespace(rewards=lambda _: both), []).items.tolist()


def test_equal_rewards_cost_ln_2():
    assert losses(CHOSEN, CHOSEN) == pytest.approx([log(2)] * 3, abs=1e-6)


def test_a_rejected_side_ahead_by_one_costs_softplus_of_one():
    assert losses(CHOSEN, [r + 1 for r in CHOSEN]) == pytest.approx([SOFTPLUS_1] * 3, abs=1e-6)


def test_a_constant_added_to_both_sides_changes_nothing():
    shifted = losses([r + 7 for r in CHOSEN], [r + 7 for r in REJECTED])
    assert shifted == pytest.approx(losses(CHOSEN, REJECTED), abs=1e-5)


def test_swapping_a_pair_adds_its_difference_to_the_loss():
    difference = np.subtract(losses(REJECTED, CHOSEN), losses(CHOSEN, REJECTED))
    assert difference == pytest.approx(np.subtract(CHOSEN, REJECTED), abs=1e-6)


def test_a_difference_of_a_thousand_has_a_finite_loss():
    assert losses([1000.0, 0.0], [0.0, 1000.0]) == [0, pytest.approx(1000)]


def test_centring_adds_the_squared_sum():
    added = np.subtract(losses(CHOSEN, REJECTED, 0.01), losses(CHOSEN, REJECTED))
    assert added == pytest.approx([0.01 * 0.4**2, 0.01 * 0.5**2, 0.01 * 4.0**2], abs=1e-6)


def test_a_head_of_zeros_costs_ln_2_on_the_real_rows(trainer):
    torch.nn.init.zeros_(trainer.model.score.weight)
    batch = [trainer.train_dataset[place][1] for place in range(4)]
    found = trainer.objective.losses(trainer.scorer, batch).items
    assert found.tolist() == pytest.approx([log(2)] * 4, abs=1e-6)


def test_the_text_trained_on_is_the_text_scored(own, monkeypatch):
    """The groups of the training, EOS and all, are those that scoring is given; none is dropped."""
    trained, scored = [], []
    fit, score = training.fit, reward.rewards

    def spy_fit(trainer, *rest):
        trained.extend(trainer.train_dataset[place][1] for place in range(len(trainer.train_dataset)))
        return fit(trainer, *rest)

    def spy_score(scorer, asked, tokens_at_once):
        scored.append(asked)
        return score(scorer, asked, tokens_at_once)

    monkeypatch.setattr(training, "fit", spy_fit)
    monkeypatch.setattr(reward, "rewards", spy_score)
    own.change("reward.source.optimisation", steps=12)
    own.run("reward --fold a")
    assert len(scored[0]) == pq.read_metadata("data/pairs/a.parquet").num_rows
    assert set(trained) == set(scored[0])
    eos = models.load_tokenizer(models.SFT).eos_token_id
    assert {ids[-1] for group in trained for ids in group.completions} == {eos}


def test_trls_stock_trainer_can_take_its_place(own):
    own.change("reward.source.optimisation", engine="trl", order="length", steps=2)
    found = own.run("reward --fold b")
    assert found["weights_sha256"] != own.metrics["reward-b"]["weights_sha256"]


def test_the_stored_scale_brings_the_training_pairs_to_mean_0_and_deviation_1(here, tokenizer, pairs):
    scale = json.loads(Path("models/reward-a/manifest.json").read_text())
    model = models.load_reward("models/reward-a", here.parameters.compute)
    scores = np.array(rewards(Scorer(model), groups(tokenizer, pairs), 4096))
    brought = (scores - scale["mean"]) / scale["deviation"]
    assert brought.mean() == pytest.approx(0, abs=1e-3)
    assert brought.std() == pytest.approx(1, abs=1e-3)


def test_accuracies_are_of_pairs_with_ties_counted_half(here, tokenizer):
    assert reward._accuracy(np.array([1.0, -1.0, 0.0, 2.0])) == 0.625
    holdout = pq.read_table("data/pairs/a_holdout.parquet").to_pylist()
    model = models.load_reward("models/reward-a", here.parameters.compute)
    scores = rewards(Scorer(model), groups(tokenizer, holdout), 4096)
    chosen, rejected = scores[::2], scores[1::2]
    ahead = [(c > r) + 0.5 * (c == r) for c, r in zip(chosen, rejected, strict=True)]
    longer = [len(p["chosen"]) - len(p["rejected"]) for p in holdout]
    told = here.metrics["reward-a"]
    assert told["rows_holdout"] == len(holdout)
    assert told["holdout_accuracy"] == pytest.approx(sum(ahead) / len(ahead), abs=1e-6)
    by_length = [(gap > 0) + 0.5 * (gap == 0) for gap in longer]
    assert told["longer_accuracy"] == pytest.approx(sum(by_length) / len(by_length), abs=1e-6)


def test_the_two_folds_have_models_of_their_own(here):
    assert here.metrics["reward-a"]["weights_sha256"] != here.metrics["reward-b"]["weights_sha256"]


def test_the_stage_run_again_gives_the_same_bytes_whatever_was_drawn_before(own):
    torch.manual_seed(99)
    assert own.run("reward --fold a") == own.metrics["reward-a"]


def test_an_adapter_is_merged_and_the_new_head_is_trained_with_it(own):
    own.change("reward.source.optimisation", steps=2, lora=LORA)
    own.run("reward --fold a")
    made = models.load_reward("models/reward-a", own.parameters.compute)
    training.seed(own.parameters.reward.source.seed)
    start = models.new_reward(models.SFT, own.parameters.compute)
    assert not torch.equal(made.score.weight, start.score.weight)
    layer = "model.layers.0.mlp.up_proj.weight"
    assert not torch.equal(made.get_parameter(layer), start.get_parameter(layer))
    assert torch.equal(made.get_parameter("model.norm.weight"), start.get_parameter("model.norm.weight"))


@pytest.mark.parametrize("walk", [{"gradient_accumulation": 2}, {"lora": LORA}])
def test_it_trains_in_bfloat16(walk, own):
    own.change("compute", dtype="bfloat16")
    own.change("reward.source.optimisation", steps=1, **walk)
    found = own.run("reward --fold b")
    assert found["weights_sha256"] != own.metrics["reward-b"]["weights_sha256"]


def test_an_own_reward_model_of_the_same_tokenizer_is_taken_over(own):
    shutil.copytree("models/reward-a", "models/own/reward")
    own.change("reward", source={"kind": "own"})
    found = own.run("reward --fold a")
    assert found["weights_sha256"] == own.metrics["reward-a"]["weights_sha256"]
    assert found["mean"] == own.metrics["reward-a"]["mean"]


def test_an_own_reward_model_of_another_tokenizer_is_refused(own):
    shutil.copytree("models/reward-a", "models/own/reward")
    path = Path("models/own/reward/tokenizer.json")
    told = json.loads(path.read_text(encoding="utf-8"))
    told["model"]["merges"] = told["model"]["merges"][:50]
    path.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
    own.change("reward", source={"kind": "own"})
    with pytest.raises(
        Refusal, match="models/own/reward: its tokenizer gives other ids than that of models/sft"
    ):
        own.run("reward --fold a")


def test_an_own_reward_model_that_pads_with_eos_is_refused(own):
    """Its score would be read before EOS here and at EOS there, or the other way round."""
    shutil.copytree("models/reward-a", "models/own/reward")
    path = Path("models/own/reward/tokenizer_config.json")
    told = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(told | {"pad_token": told["eos_token"]}), encoding="utf-8")
    own.change("reward", source={"kind": "own"})
    with pytest.raises(Refusal, match="gives other ids than that of models/sft"):
        own.run("reward --fold a")
