"""Robust DPO (rDPO): an unbiased estimate of DPO's loss from noisy labels.

Chowdhury, Kini, Natarajan (2024), arXiv 2403.00409, equation 12. With h as in DPO,

    loss = [-(1 - epsilon) log sigmoid(beta h) + epsilon log sigmoid(-beta h)] / (1 - 2 epsilon)

Over labels that are flipped with chance epsilon its mean is DPO's loss on the true ones. It has no lower bound: it goes
on falling, by epsilon beta / (1 - 2 epsilon) a nat, as h grows.

Differs from the paper: nothing but AdamW.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from tasks.settings import Branch

if TYPE_CHECKING:
    from torch import Tensor

FAMILY = "pairs"


class Config(Branch):
    """Robust DPO's coefficients."""

    beta: Annotated[float, Field(gt=0, le=10, description="strength of the pull to the SFT model")]
    epsilon: Annotated[float, Field(gt=0, lt=0.5, description="chance that a pair's label is wrong")]


def loss(
    config: Config,
    chosen_logps: Tensor,
    rejected_logps: Tensor,
    chosen_reference_logps: Tensor,
    rejected_reference_logps: Tensor,
) -> Tensor:
    """One loss a pair, (pairs,), in nats; ln 2 when the policy is the reference."""
    from torch.nn.functional import (
        logsigmoid,  # here, as reading params.yaml must not cost an import of torch
    )

    h = (chosen_logps - chosen_reference_logps) - (rejected_logps - rejected_reference_logps)
    right, wrong = logsigmoid(config.beta * h), logsigmoid(-config.beta * h)
    return (-(1 - config.epsilon) * right + config.epsilon * wrong) / (1 - 2 * config.epsilon)  # equation 12


def trl_arguments(config: Config) -> dict[str, Any]:
    """DPOConfig's names for this loss, for engine: trl."""
    return {"beta": config.beta, "loss_type": ["robust"], "label_smoothing": config.epsilon}


def identity(config: Config) -> dict[str, float]:
    """What the first step logs while the policy still is the reference: no reward, and ln 2 nats of loss."""
    return {"rewards/chosen": 0.0, "rewards/rejected": 0.0, "loss": log(2)}
