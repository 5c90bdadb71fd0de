"""SimPO: Simple Preference Optimization, without a reference.

Meng, Xia, Chen (2024), arXiv 2405.14734, equation 6:

    loss = -log sigmoid(beta log pi(y_w|x) / |y_w| - beta log pi(y_l|x) / |y_l| - gamma)

The reward is the mean log-probability of a token, so a longer summary gains nothing by its length; gamma is the margin
by which the chosen one has to lead.

Differs from the paper: nothing but the scale of the run. Nothing pulls the policy back to the SFT model but the
learning rate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tasks.settings import Branch

if TYPE_CHECKING:
    from torch import Tensor

FAMILY = "pairs"


class Config(Branch):
    """SimPO's coefficients."""

    beta: Annotated[float, Field(gt=0, le=100, description="scale of the mean token log-probability")]
    gamma: Annotated[float, Field(ge=0, le=100, description="margin aimed at, in the scaled units")]


def loss(
    config: Config,
    chosen_logps: Tensor,
    rejected_logps: Tensor,
    chosen_tokens: Tensor,
    rejected_tokens: Tensor,
) -> Tensor:
    """One loss a pair, (pairs,), in nats; softplus(gamma) for summaries alike."""
    from torch.nn.functional import (
        logsigmoid,  # here, as reading params.yaml must not cost an import of torch
    )

    h = chosen_logps / chosen_tokens - rejected_logps / rejected_tokens
    return -logsigmoid(config.beta * h - config.gamma)  # equation 6


def identity(config: Config) -> dict[str, float]:
    """Nothing: without a reference no number of the first step is known beforehand."""
    return {}
