"""Best-of-N SFT's loss: by hand, its slope, its extremes, and what it refuses."""

import pytest
import torch
from pydantic import ValidationError

from tasks import methods

LOGPS = torch.tensor([-10.0, -0.5, 0.0])


def loss(logps=LOGPS):
    return methods.load("best_of_n").loss(logps)


def test_it_is_the_best_summarys_surprise():
    assert loss().tolist() == [10.0, 0.5, 0.0]


def test_its_slope_makes_every_best_summary_likelier_and_all_alike():
    logps = LOGPS.clone().requires_grad_()
    loss(logps).sum().backward()
    assert logps.grad.tolist() == [-1.0, -1.0, -1.0]


def test_extreme_likelihoods_have_finite_losses_and_gradients():
    logps = torch.tensor([-1e6, 0.0], requires_grad=True)
    found = loss(logps)
    found.sum().backward()
    assert found.isfinite().all()
    assert logps.grad.isfinite().all()


def test_no_rows_have_no_losses():
    assert loss(torch.zeros(0)).shape == (0,)


def test_log_probabilities_of_tokens_are_refused():
    with pytest.raises(ValueError, match=r"must be \(prompts,\), got shape \(2, 3\)"):
        loss(torch.zeros(2, 3))


def test_the_best_of_one_is_no_choice(project):
    walk = project.entry("dpo").optimisation.model_dump()
    given = {"method": "best_of_n", "optimisation": walk, "reward": "model"}
    with pytest.raises(ValidationError, match="greater than or equal to 2"):
        methods.load("best_of_n").Config.model_validate({**given, "best_of": 1})
