"""RAFT and REINFORCE: their advantages and losses by hand, at their limits, and what they refuse."""

import pytest
import torch

from tasks import methods

REWARDS_PK = torch.tensor([[1.0, 2.0, 4.0], [0.0, 0.0, 0.0]])
KL_PK = torch.tensor([[0.0, 0.0, 30.0], [0.0, 10.0, 0.0]])


@pytest.fixture
def config(project):
    def made(name, **changed):
        own = {"beta": 0.1, "completions": 3, "reward": "model", "eos_penalty": 0.0, **changed}
        walk = project.entry("rloo").optimisation.model_dump()
        return methods.load(name).Config.model_validate({"method": name, "optimisation": walk, **own})

    return made


def test_raft_learns_the_best_after_the_price_of_its_divergence(config):
    raft = methods.load("raft")
    found = raft.advantages(config("raft"), REWARDS_PK, KL_PK)  # 1, 2, 1 and 0, -1, 0
    assert found.tolist() == [[0, 3, 0], [3, 0, 0]]
    free = raft.advantages(config("raft", beta=0.0), REWARDS_PK, KL_PK)
    assert free.tolist() == [[0, 0, 3], [3, 0, 0]]


def test_rafts_mean_loss_is_the_nll_of_the_best_alone(config):
    logps = torch.tensor([-5.0, -6.0, -7.0, -1.0, -2.0, -3.0], requires_grad=True)
    advantages = methods.load("raft").advantages(config("raft"), REWARDS_PK, KL_PK).flatten()
    losses = methods.load("raft").loss(logps, logps.detach(), advantages)
    assert losses.mean().item() == pytest.approx((6 + 1) / 2)
    losses.sum().backward()
    assert logps.grad.tolist() == [0, -3, 0, -3, 0, 0]


def test_reinforce_takes_the_baseline_off_the_penalised_reward(config):
    found = methods.load("reinforce").advantages(config("reinforce"), REWARDS_PK, KL_PK, 0.5)
    assert found.flatten().tolist() == pytest.approx([0.5, 1.5, 0.5, -0.5, -1.5, -0.5])


def test_reinforces_gradient_is_that_of_minus_the_advantage_times_log_pi():
    logps, advantages = torch.tensor([-30.0, -2.0], requires_grad=True), torch.tensor([1.5, -4.0])
    methods.load("reinforce").loss(logps, logps.detach(), advantages).sum().backward()
    assert logps.grad.tolist() == [-1.5, 4.0]


@pytest.mark.parametrize("name", ["raft", "reinforce"])
def test_an_unlikely_sequence_has_a_finite_loss(name):
    logps = torch.tensor([-1e5], requires_grad=True)
    losses = methods.load(name).loss(logps, logps.detach(), torch.tensor([3.0]))
    losses.sum().backward()
    assert losses.isfinite().all()
    assert logps.grad.tolist() == [-3.0]


@pytest.mark.parametrize("name", ["raft", "reinforce"])
def test_no_completions_have_no_losses(name):
    none = torch.zeros(0)
    assert methods.load(name).loss(none, none, none).shape == (0,)


@pytest.mark.parametrize("name", ["raft", "reinforce"])
def test_numbers_of_unlike_shape_are_refused(name, config):
    more = [0.0] if name == "reinforce" else []
    with pytest.raises(RuntimeError, match="size"):
        methods.load(name).advantages(config(name), torch.zeros(2, 3), torch.zeros(3, 2), *more)
