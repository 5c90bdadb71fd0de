"""MetaRM's spread and step: by hand and at their limits."""

import pytest
import torch

from tasks.engine.lookahead import gradients, spread
from tasks.engine.ranking import bradley_terry


@pytest.mark.parametrize(("count", "value"), [(2, 0.25), (4, 0.375), (8, 0.4375)])
def test_equal_rewards_have_a_spread_of_k_less_1_over_2_k(count, value):
    assert spread(torch.full((3, count), 1.5)).tolist() == pytest.approx([value] * 3)


def test_rewards_far_apart_come_near_to_k_less_1_over_k():
    assert spread(torch.tensor([[0.0, 1e3, -1e3, 5e3]])).item() == pytest.approx(3 / 4)


def test_the_spread_by_hand():
    """2 / 9 of sigmoid(1) + sigmoid(3) + sigmoid(2)."""
    by_hand = 2 / 9 * (0.7310586 + 0.9525741 + 0.8807971)
    assert spread(torch.tensor([[0.0, 1.0, 3.0]])).item() == pytest.approx(by_hand)


def test_a_constant_and_the_order_make_no_difference():
    rewards = torch.tensor([[0.3, -1.0, 2.0, 0.0]])
    assert spread(rewards + 7).item() == pytest.approx(spread(rewards).item())
    assert spread(rewards[:, [2, 0, 3, 1]]).item() == pytest.approx(spread(rewards).item())


def test_the_gradient_is_of_the_loss_where_the_step_leads():
    """J = a w and L = w^2 / 2: grad L at w + eta a is w + eta a."""
    a = torch.tensor([1.0, -2.0])
    weights = {"w": torch.tensor([0.5, 3.0])}
    found = gradients(weights, lambda at: (a * at["w"]).sum(), lambda at: (at["w"] ** 2).sum() / 2, 0.1)
    torch.testing.assert_close(found["w"], torch.tensor([0.6, 2.8]))
    assert weights["w"].tolist() == [0.5, 3.0]


@pytest.fixture
def model():
    """A linear reward model, its pairs and a shifted policy's summaries: weights, spread and loss of them."""
    generator = torch.Generator().manual_seed(0)
    pairs_P2E, fresh_PKE = (torch.randn(*shape, generator=generator) for shape in ((6, 2, 5), (3, 4, 5)))
    weights = {"w": torch.randn(5, generator=generator), "unused": torch.ones(2)}

    def loss(at):
        chosen, rejected = (pairs_P2E @ at["w"]).unbind(1)
        return bradley_terry(chosen - rejected, torch.zeros(6), torch.zeros(6)).mean()

    return weights, lambda at: spread(fresh_PKE @ at["w"]).mean(), loss


def test_with_eta_0_it_is_the_ordinary_step(model):
    weights, spread_of, loss_of = model
    plain = weights["w"].clone().requires_grad_()
    loss_of({"w": plain}).backward()
    found = gradients(weights, spread_of, loss_of, 0.0)
    assert torch.equal(found["w"], plain.grad)
    assert found["unused"].tolist() == [0, 0]


def test_the_step_ahead_widens_the_spread_and_changes_the_gradient(model):
    weights, spread_of, loss_of = model
    upward = gradients(weights, loss_of, spread_of, 0.0)  # of the spread itself
    ahead = {"w": weights["w"] + 0.1 * upward["w"]}
    assert spread_of(ahead) > spread_of(weights)
    ordinary, found = (gradients(weights, spread_of, loss_of, eta)["w"] for eta in (0.0, 0.5))
    assert not torch.allclose(found, ordinary)
