"""PPO's rewards, advantages and losses: by hand, at their limits, and what they refuse."""

import pytest
import torch

from tasks import methods

ppo = methods.load("ppo")
REWARDS_RT = torch.tensor([[0.1, 0.0, -0.3, 1.0], [0.0, 2.0, 0.0, 0.0]])
VALUES_RT = torch.tensor([[-0.4, -0.4, -0.4, -0.4], [0.5, 1.0, 7.0, 7.0]])
MASK_RT = torch.tensor([[True] * 4, [True, True, False, False]])


@pytest.fixture
def config(project):
    def made(**changed):
        own = {
            "beta": 0.1,
            "completions": 1,
            "epochs": 4,
            "clip": 0.2,
            "value_clip": 0.3,
            "value_weight": 0.1,
            "discount": 1.0,
            "trace": 1.0,
            "critic_learning_rate": 1e-4,
            "reward": "model",
            "eos_penalty": 0.0,
        }
        walk = project.entry("rloo").optimisation.model_dump()
        return ppo.Config.model_validate({"method": "ppo", "optimisation": walk, **own, **changed})

    return made


def close(found, expected):
    torch.testing.assert_close(found, torch.as_tensor(expected), rtol=0, atol=1e-6)


def test_the_score_stands_at_the_last_token_and_each_token_pays_for_its_divergence(config):
    kl = torch.tensor([[1.0, 2.0, 3.0, 4.0], [1.0, -2.0, 9.0, 9.0]])
    found = ppo.rewards(config(), torch.tensor([5.0, 7.0]), kl, MASK_RT)
    close(found, [[-0.1, -0.2, -0.3, 4.6], [-0.1, 7.2, 0.0, 0.0]])


def test_no_divergence_costs_nothing(config):
    found = ppo.rewards(config(), torch.zeros(2), torch.zeros(2, 4), MASK_RT)
    close(found, torch.zeros(2, 4))


def test_without_discount_and_trace_an_advantage_is_the_return_less_the_value(config):
    found = ppo.advantages(config(), REWARDS_RT, VALUES_RT, MASK_RT)
    close(found, [[1.2, 1.1, 1.1, 1.4], [1.5, 1.0, 0.0, 0.0]])


def test_without_trace_it_is_one_tokens_surprise(config):
    found = ppo.advantages(config(trace=0.0, discount=0.9), REWARDS_RT, VALUES_RT, MASK_RT)
    first = [0.1 - 0.36 + 0.4, -0.36 + 0.4, -0.3 - 0.36 + 0.4, 1.4]
    close(found, [first, [0.9 - 0.5, 2.0 - 1.0, 0.0, 0.0]])


def test_between_the_two_it_is_the_discounted_sum(config):
    found = ppo.advantages(config(trace=0.5, discount=0.8), REWARDS_RT, VALUES_RT, MASK_RT)[0]
    deltas = [0.1 - 0.32 + 0.4, -0.32 + 0.4, -0.3 - 0.32 + 0.4, 1.4]
    by_hand = [sum(0.4**n * deltas[t + n] for n in range(4 - t)) for t in range(4)]
    close(found, by_hand)


def test_values_behind_the_end_never_count(config):
    other = VALUES_RT.clone()
    other[1, 2:] = -100.0
    close(
        ppo.advantages(config(), REWARDS_RT, other, MASK_RT),
        ppo.advantages(config(), REWARDS_RT, VALUES_RT, MASK_RT),
    )


def test_whitened_advantages_have_mean_0_and_deviation_1_over_tokens_alone():
    found = ppo.whitened(torch.tensor([[1.0, 2.0, 3.0, 9.0], [4.0, 5.0, 8.0, 8.0]]), MASK_RT)
    kept = found[MASK_RT]
    assert kept.mean().item() == pytest.approx(0, abs=1e-6)
    assert kept.std(correction=0).item() == pytest.approx(1, abs=1e-6)
    assert found[~MASK_RT].tolist() == [0, 0]
    assert ppo.whitened(torch.ones(2, 4), MASK_RT).tolist() == torch.zeros(2, 4).tolist()


def test_the_first_gradient_is_that_of_minus_the_advantage_times_log_pi(config):
    logps, advantages = torch.tensor([-3.0, -1.0], requires_grad=True), torch.tensor([1.5, -4.0])
    losses = ppo.loss(config(), logps, logps.detach(), advantages)
    assert losses.tolist() == [-1.5, 4.0]
    losses.sum().backward()
    assert logps.grad.tolist() == [-1.5, 4.0]


@pytest.mark.parametrize(
    ("ratio", "advantage", "value", "pushes"),
    [(1.5, 1.0, -1.2, False), (0.5, -1.0, 0.8, False), (1.5, -1.0, 1.5, True), (0.5, 1.0, -0.5, True)],
)
def test_a_ratio_beyond_the_clip_pushes_only_back(ratio, advantage, value, pushes, config):
    logps = torch.tensor([ratio]).log().requires_grad_()
    loss = ppo.loss(config(), logps, torch.zeros(1), torch.tensor([advantage]))
    assert loss.item() == pytest.approx(value)
    loss.sum().backward()
    assert (logps.grad.abs().item() > 0) == pushes


def test_the_critic_is_held_near_its_old_values(config):
    values, old, returns = torch.tensor([1.0, 0.1]), torch.zeros(2), torch.tensor([1.0, 1.0])
    found = ppo.value_loss(config(), values, old, returns)
    close(found, [0.7**2 / 2, 0.9**2 / 2])


def test_extreme_numbers_have_finite_losses(config):
    logps = torch.tensor([-1e5, 0.0], requires_grad=True)
    losses = ppo.loss(config(), logps, torch.tensor([0.0, 0.0]), torch.tensor([3.0, -3.0]))
    losses.sum().backward()
    assert losses.isfinite().all()
    assert logps.grad.isfinite().all()


def test_no_tokens_have_no_losses(config):
    none = torch.zeros(0)
    assert ppo.loss(config(), none, none, none).shape == (0,)
    assert ppo.advantages(config(), torch.zeros(0, 3), torch.zeros(0, 3), torch.zeros(0, 3).bool()).shape == (
        0,
        3,
    )


def test_tokens_of_unlike_number_are_refused(config):
    with pytest.raises(RuntimeError, match="size"):
        ppo.loss(config(), torch.zeros(3), torch.zeros(2), torch.zeros(3))
