"""DPO: Direct Preference Optimization.

Rafailov, Sharma, Mitchell, Ermon, Manning, Finn (2023), arXiv 2305.18290, equation 7. With
h = [log pi(y_w|x) - log pi_sft(y_w|x)] - [log pi(y_l|x) - log pi_sft(y_l|x)], sums over completion tokens,

    loss = -log sigmoid(beta h)

Differs from the paper: AdamW instead of RMSprop.
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
    """DPO's coefficient."""

    beta: Annotated[float, Field(gt=0, le=10, description="strength of the pull to the SFT model")]


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
    return -logsigmoid(config.beta * h)  # equation 7


def trl_arguments(config: Config) -> dict[str, Any]:
    """DPOConfig's names for this loss, for engine: trl."""
    return {"beta": config.beta, "loss_type": ["sigmoid"]}


def identity(config: Config) -> dict[str, float]:
    """What the first step logs while the policy still is the reference: no reward, and ln 2 nats of loss."""
    return {"rewards/chosen": 0.0, "rewards/rejected": 0.0, "loss": log(2)}
