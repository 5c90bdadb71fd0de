"""MetaRM: a reward model learns from where it would tell the shifted policy's summaries apart better.

Wang et al. 2024 (arXiv 2401.06080, section 3.2; Dou et al. 2024, arXiv 2405.00438). One step: theta' = theta + eta
grad J(theta), where J is the spread of rewards on summaries of the policy as it is now; then theta is moved by the
gradient of the pairs' loss at theta'.

Differs from the paper: nothing; the derivative of theta' by theta is taken for 1, as there.

Legend of shapes: P prompts, K summaries of each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

Weights = Mapping[str, torch.Tensor]


def spread(rewards_PK: torch.Tensor) -> torch.Tensor:
    """(P,): J = 2 / K^2 of the sum over pairs of sigmoid(|r_i - r_j|); (K - 1) / (2 K) of equal rewards."""
    count = rewards_PK.shape[1]
    one, other = torch.triu_indices(count, count, offset=1, device=rewards_PK.device)
    gaps = (rewards_PK[:, one] - rewards_PK[:, other]).abs()
    return 2 / count**2 * gaps.sigmoid().sum(1)


def gradients(
    weights: Weights,
    spread_of: Callable[[Weights], torch.Tensor],
    loss_of: Callable[[Weights], torch.Tensor],
    eta: float,
) -> dict[str, torch.Tensor]:
    """The gradient of the loss at the weights after one step up the spread; the ordinary one where eta is 0.

    spread_of, loss_of: scalars of weights by name, as torch.func.functional_call takes them. `weights` stay unchanged.
    """
    ahead = dict(weights)
    if eta:
        upward = _gradients(spread_of, weights)
        ahead = {name: weight + eta * upward[name] for name, weight in weights.items()}
    return _gradients(loss_of, ahead)


def _gradients(scalar_of: Callable[[Weights], torch.Tensor], weights: Weights) -> dict[str, torch.Tensor]:
    free = {name: weight.detach().requires_grad_() for name, weight in weights.items()}
    found = torch.autograd.grad(scalar_of(free), list(free.values()), materialize_grads=True)
    return dict(zip(free, found, strict=True))
