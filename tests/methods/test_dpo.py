"""DPO's loss: by hand, at its limits, and what it refuses."""

from math import exp, log

import pytest
import torch

from tasks.methods import dpo

BETA = 0.3
# (policy, reference) sums of chosen and rejected, in nats, of three pairs; h = 2, -3, 0
CHOSEN = (torch.tensor([-10.0, -20.0, -5.0]), torch.tensor([-11.0, -19.0, -6.0]))
REJECTED = (torch.tensor([-12.0, -15.0, -7.0]), torch.tensor([-11.0, -17.0, -8.0]))
TOKENS = torch.tensor([5, 10, 2])


@pytest.fixture
def config(project):
    return lambda **given: project.entry("dpo", **{"beta": BETA, "sft_weight": 0.0} | given)


def loss(config, chosen=CHOSEN, rejected=REJECTED, tokens=TOKENS):
    return dpo.loss(config, chosen[0], rejected[0], chosen[1], rejected[1], tokens)


def test_it_is_minus_log_sigmoid_of_beta_h_for_each_pair(config):
    by_hand = [log(1 + exp(-BETA * h)) for h in (2.0, -3.0, 0.0)]
    assert loss(config()).tolist() == pytest.approx(by_hand, abs=1e-6)


def test_it_is_ln_2_while_the_policy_is_the_reference(config):
    same = (CHOSEN[0], CHOSEN[0]), (REJECTED[0], REJECTED[0])
    assert loss(config(), *same).tolist() == pytest.approx([log(2)] * 3, abs=1e-7)


def test_swapping_the_sides_adds_beta_h(config):
    difference = loss(config(), REJECTED, CHOSEN) - loss(config())
    assert difference.tolist() == pytest.approx([BETA * h for h in (2.0, -3.0, 0.0)], abs=1e-5)


def test_its_first_gradient_is_half_beta_up_for_chosen_and_down_for_rejected(config):
    chosen, rejected = CHOSEN[0].clone().requires_grad_(), REJECTED[0].clone().requires_grad_()
    loss(config(), (chosen, CHOSEN[0]), (rejected, REJECTED[0])).sum().backward()
    assert chosen.grad.tolist() == pytest.approx([-BETA / 2] * 3)
    assert rejected.grad.tolist() == pytest.approx([BETA / 2] * 3)


def test_margins_of_thousands_of_nats_have_finite_losses_and_gradients(config):
    chosen = torch.tensor([1e4, -1e4], requires_grad=True)
    values = loss(config(), (chosen, torch.zeros(2)), (torch.zeros(2), torch.zeros(2)), torch.ones(2))
    assert values.tolist() == pytest.approx([0.0, BETA * 1e4])
    values.sum().backward()
    assert chosen.grad.tolist() == pytest.approx([0.0, -BETA])


def test_the_sft_term_is_its_weight_times_the_mean_token_loss_of_chosen(config):
    added = loss(config(sft_weight=0.5)) - loss(config())
    assert added.tolist() == pytest.approx([0.5 * 10 / 5, 0.5 * 20 / 10, 0.5 * 5 / 2], abs=1e-6)


def test_no_pairs_have_no_losses(config):
    none = (torch.zeros(0), torch.zeros(0))
    assert loss(config(), none, none, torch.zeros(0)).shape == (0,)


def test_sides_of_unlike_number_are_no_pairs(config):
    with pytest.raises(RuntimeError, match="size"):
        loss(config(), (torch.zeros(3), torch.zeros(3)), (torch.zeros(2), torch.zeros(2)))
