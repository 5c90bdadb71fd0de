"""Labels that are believed less or held to a margin: by hand, at their limits, and through methods of pairs."""

from functools import partial
from math import exp, log, log1p

import pytest
import torch

from tasks import methods
from tasks.engine.ranking import bradley_terry, mended, swapped

D = torch.tensor([0.7, -1.5, 0.0])
KNOWN = {
    "chosen_logps": torch.tensor([-10.0, -20.0, -5.0]),
    "rejected_logps": torch.tensor([-12.0, -15.0, -7.0]),
    "chosen_reference_logps": torch.tensor([-11.0, -19.0, -6.0]),
    "rejected_reference_logps": torch.tensor([-11.0, -17.0, -8.0]),
}  # h is 2, -3, 0
H = torch.tensor([2.0, -3.0, 0.0])
BETA, ZERO = 0.3, torch.zeros(3)
WALK = {
    "engine": "gallim", "order": "random", "learning_rate": 1e-3, "schedule": "linear", "warmup_steps": 0,
    "weight_decay": 0.0, "max_grad_norm": 1.0, "steps": 1, "batch_size": 2, "gradient_accumulation": 1,
    "gradient_checkpointing": False, "checkpoint_every": 1, "lora": None,
}  # fmt: skip


def softplus(x):
    return log1p(exp(x))


def loss_of(name, **own):
    method = methods.load(name)
    config = method.Config.model_validate({"method": name, "optimisation": WALK, **own})
    return lambda known: method.loss(config, **known)


dpo = partial(loss_of, "dpo", beta=BETA)


def close(found, expected):
    torch.testing.assert_close(found, torch.as_tensor(expected), rtol=0, atol=1e-5)


def test_without_margin_and_smoothing_it_is_bradley_terrys_loss():
    close(bradley_terry(D, ZERO, ZERO), [softplus(-0.7), softplus(1.5), log(2)])


def test_a_margin_of_1_between_equals_costs_softplus_of_1():
    close(bradley_terry(ZERO, torch.ones(3), ZERO), [1.313262] * 3)


def test_where_the_difference_is_the_margin_the_loss_is_ln_2():
    close(bradley_terry(D, D, ZERO), [log(2)] * 3)


def test_smoothing_adds_its_share_of_the_difference():
    """L = softplus(-d) + a d, which is -(1 - a) log sigmoid(d) - a log sigmoid(-d)."""
    alpha = torch.tensor([0.2, 0.3, 0.5])
    by_hand = [0.8 * softplus(-0.7) + 0.2 * softplus(0.7), 0.7 * softplus(1.5) + 0.3 * softplus(-1.5), log(2)]
    close(bradley_terry(D, ZERO, alpha), by_hand)


@pytest.mark.parametrize(("alpha", "rest"), [(0.2, log(4)), (0.1, log(9)), (0.5, 0.0)])
def test_smoothing_rests_at_the_log_odds_of_its_belief(alpha, rest):
    d = torch.tensor([rest - 0.01, rest, rest + 0.01], requires_grad=True)
    bradley_terry(d, ZERO, torch.full((3,), alpha)).sum().backward()
    assert d.grad[0] < 0 < d.grad[2]
    assert d.grad[1].item() == pytest.approx(0, abs=1e-6)


def test_smoothed_wholly_the_pair_is_flipped():
    close(bradley_terry(D, ZERO, torch.ones(3)), bradley_terry(-D, ZERO, ZERO))


def test_a_flipped_pair_with_the_opposite_margin_is_the_smoothed_other_way():
    margin = torch.tensor([0.5, -1.0, 2.0])
    one = bradley_terry(D, margin, torch.full((3,), 0.3))
    close(one, bradley_terry(-D, -margin, torch.full((3,), 0.7)))


def test_a_difference_of_a_thousand_has_finite_losses_and_gradients():
    d = torch.tensor([1e3, -1e3], requires_grad=True)
    losses = bradley_terry(d, torch.tensor([5.0, -5.0]), torch.tensor([0.2, 0.2]))
    losses.sum().backward()
    assert losses.isfinite().all()
    assert d.grad.isfinite().all()


def test_pairs_of_unlike_number_are_refused():
    with pytest.raises(RuntimeError, match="size"):
        bradley_terry(D, torch.zeros(2), ZERO)


# ---- through a method's own loss -------------------------------------------------------------------------------------


def test_with_plain_labels_a_methods_loss_is_its_own():
    close(mended(dpo(), KNOWN, ZERO, ZERO, BETA), dpo()(KNOWN))


@pytest.mark.parametrize(("margin", "alpha"), [(0.0, 0.2), (0.8, 0.0), (-0.4, 0.3)])
def test_dpos_loss_becomes_bradley_terrys_of_its_implicit_reward(margin, alpha):
    margins, smoothing = torch.full((3,), margin), torch.full((3,), alpha)
    close(mended(dpo(), KNOWN, margins, smoothing, BETA), bradley_terry(BETA * H, margins, smoothing))


def test_a_margin_of_the_implicit_rewards_difference_costs_ln_2():
    close(mended(dpo(), KNOWN, BETA * H, ZERO, BETA), [log(2)] * 3)


def test_rpos_likelihood_term_knows_no_margin():
    tokens = {"chosen_tokens": torch.tensor([5, 10, 2])}
    rpo, margin = loss_of("rpo", beta=BETA, sft_weight=0.2), torch.tensor([0.5, 1.0, -2.0])
    by_hand = bradley_terry(BETA * H, margin, ZERO) + 0.2 * torch.tensor([2.0, 2.0, 2.5])
    close(mended(rpo, KNOWN | tokens, margin, ZERO, BETA), by_hand)


@pytest.mark.parametrize(
    ("name", "own"),
    [("ipo", {"tau": 0.25}), ("cdpo", {"beta": BETA, "epsilon": 0.1}), ("dpo", {"beta": BETA})],
)
def test_smoothed_by_a_half_both_orders_cost_the_same(name, own):
    loss, half = loss_of(name, **own), torch.full((3,), 0.5)
    close(mended(loss, KNOWN, ZERO, half, None), mended(loss, swapped(KNOWN), ZERO, half, None))


def test_cdpo_is_dpo_with_all_labels_smoothed():
    found = mended(dpo(), KNOWN, ZERO, torch.full((3,), 0.1), BETA)
    close(found, loss_of("cdpo", beta=BETA, epsilon=0.1)(KNOWN))


def test_a_margin_without_a_unit_is_an_error():
    with pytest.raises(ValueError, match="a margin needs a method with beta and a reference"):
        mended(loss_of("ipo", tau=0.25), KNOWN, torch.ones(3), ZERO, None)
