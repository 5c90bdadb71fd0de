"""RLOO's advantages and loss: by hand, at their limits, and what they refuse."""

import pytest
import torch

from tasks.methods import rloo

REWARDS_PK = torch.tensor(
    [[1.0, 2.0, 4.0, 9.0], [0.0, 0.0, 0.0, 0.0], [-3.0, 5.0, 5.0, 1.0]]
)  # 3 prompts, k = 4
NO_KL = torch.zeros_like(REWARDS_PK)
BETA = 0.05


@pytest.fixture
def config(project):
    return lambda **given: project.entry("rloo", **{"completions": 4, "batch_size": 8, "beta": BETA} | given)


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_an_advantage_is_the_reward_less_the_mean_of_the_others(config):
    found = rloo.advantages(config(), REWARDS_PK, NO_KL)
    assert found[0].tolist() == pytest.approx([-4.0, -8 / 3, 0.0, 20 / 3], abs=1e-5)
    close(found, 4 / 3 * (REWARDS_PK - REWARDS_PK.mean(dim=1, keepdim=True)))


def test_advantages_sum_to_0_in_every_group_and_are_0_for_equal_rewards(config):
    found = rloo.advantages(config(), REWARDS_PK, NO_KL)
    close(found.sum(dim=1), torch.zeros(3))
    assert found[1].tolist() == [0, 0, 0, 0]


def test_with_two_completions_the_advantages_are_the_difference_both_ways(config):
    rewards = torch.tensor([[1.0, 4.0], [0.5, -2.0], [3.0, 3.0]])
    found = rloo.advantages(config(completions=2), rewards, torch.zeros(3, 2))
    assert found.flatten().tolist() == pytest.approx([-3, 3, 2.5, -2.5, 0, 0], abs=1e-6)


def test_a_constant_for_each_prompt_changes_nothing(config):
    shifted = REWARDS_PK + torch.tensor([[10.0], [-3.0], [0.5]])
    close(rloo.advantages(config(), shifted, NO_KL), rloo.advantages(config(), REWARDS_PK, NO_KL))


def test_permuting_a_group_permutes_its_advantages(config):
    order = [2, 0, 3, 1]
    found = rloo.advantages(config(), REWARDS_PK[:, order], NO_KL)
    close(found, rloo.advantages(config(), REWARDS_PK, NO_KL)[:, order])


def test_the_reward_pays_beta_for_each_nat_of_the_whole_sequences_kl(config):
    kl = torch.tensor([[10.0, 0.0, 0.0, 0.0]])
    found = rloo.advantages(config(), torch.zeros(1, 4), kl)
    assert found.flatten().tolist() == pytest.approx([-0.5, 0.5 / 3, 0.5 / 3, 0.5 / 3])


def test_the_gradient_is_that_of_minus_the_advantage_times_log_pi(config):
    logps, advantages = torch.tensor([-30.0, -2.0], requires_grad=True), torch.tensor([1.5, -4.0])
    losses = rloo.loss(logps, logps.detach(), advantages)
    assert losses.tolist() == [-1.5, 4.0]
    losses.sum().backward()
    assert logps.grad.tolist() == [-1.5, 4.0]


def test_an_unlikely_sequence_has_a_finite_loss():
    logps = torch.tensor([-1e5], requires_grad=True)
    rloo.loss(logps, logps.detach(), torch.tensor([3.0])).sum().backward()
    assert logps.grad.tolist() == [-3.0]


def test_no_completions_have_no_losses(config):
    none = torch.zeros(0)
    assert rloo.loss(none, none, none).shape == (0,)
    assert rloo.advantages(config(), torch.zeros(0, 4), torch.zeros(0, 4)).shape == (0, 4)


def test_rewards_without_groups_are_refused(config):
    with pytest.raises((IndexError, RuntimeError)):
        rloo.advantages(config(), torch.zeros(8), torch.zeros(8))
