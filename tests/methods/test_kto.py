"""KTO's loss: by hand, at its limits, and what it refuses."""

from math import exp

import pytest
import torch

from tasks import methods

BETA = 0.1
LOGPS = torch.tensor([-10.0, -20.0, -5.0, -8.0])
REFERENCE = torch.tensor([-12.0, -19.0, -5.0, -3.0])  # r = 2, -1, 0, -5
GOOD = torch.tensor([True, False, True, False])


@pytest.fixture
def config(project):
    def made(**changed):
        walk = project.entry("dpo").optimisation.model_dump()
        own = {"beta": BETA, "desirable_weight": 1.0, "undesirable_weight": 1.0, "ratings": "pairs"}
        return methods.load("kto").Config.model_validate(
            {"method": "kto", "optimisation": walk, **own, **changed}
        )

    return made


def loss(config, logps=LOGPS, reference=REFERENCE, good=GOOD, kl=0.0):
    return methods.load("kto").loss(config, logps, reference, good, torch.tensor(kl))


def sigmoid(x):
    return 1 / (1 + exp(-x))


def test_it_is_what_the_equation_says_with_either_weight(config):
    z = 1.5
    by_hand = [
        2 * (1 - sigmoid(BETA * (2 - z))),
        3 * (1 - sigmoid(BETA * (z + 1))),
        2 * (1 - sigmoid(BETA * (0 - z))),
        3 * (1 - sigmoid(BETA * (z + 5))),
    ]
    found = loss(config(desirable_weight=2.0, undesirable_weight=3.0), kl=z)
    assert found.tolist() == pytest.approx(by_hand, abs=1e-6)


def test_it_is_half_the_weight_while_the_policy_is_the_reference(config):
    assert loss(config(), reference=LOGPS).tolist() == [0.5] * 4
    weighted = loss(config(desirable_weight=2.0), reference=LOGPS)
    assert weighted.mean().item() == 0.75  # weights (2, 1), as many good rows as bad


def test_its_first_slope_is_a_quarter_of_beta_up_for_good_and_down_for_bad(config):
    logps = LOGPS.clone().requires_grad_()
    loss(config(), logps, LOGPS).sum().backward()
    assert logps.grad.tolist() == pytest.approx([-BETA / 4, BETA / 4, -BETA / 4, BETA / 4])


def test_a_gain_of_50_nats_counts_hardly_more(config):
    found = loss(config(), torch.tensor([50.0, -50.0]), torch.zeros(2), torch.tensor([True, True]))
    assert found.tolist() == pytest.approx([1 - sigmoid(5), sigmoid(5)], abs=1e-6)  # 0.0067 and 0.9933


def test_swapped_labels_and_another_reference_are_seen(config):
    right = loss(config())
    assert not torch.allclose(loss(config(), good=~GOOD), right)
    assert not torch.allclose(loss(config(), reference=LOGPS), right)


def test_extreme_likelihoods_have_finite_losses_and_gradients(config):
    logps = torch.tensor([-1e6, 0.0, -1e6, 0.0], requires_grad=True)
    found = loss(config(), logps, torch.tensor([0.0, -1e6, 0.0, -1e6]))
    assert found.tolist() == pytest.approx([1, 1, 1, 1])
    found.sum().backward()
    assert logps.grad.isfinite().all()


def test_no_rows_have_no_losses(config):
    none = torch.zeros(0)
    assert loss(config(), none, none, none.bool()).shape == (0,)


def test_rows_of_unlike_number_are_refused(config):
    with pytest.raises(RuntimeError, match="size"):
        loss(config(), torch.zeros(3), torch.zeros(2), GOOD)
