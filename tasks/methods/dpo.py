"""DPO: Direct Preference Optimization.

Rafailov, Sharma, Mitchell, Ermon, Manning, Finn (2023), arXiv 2305.18290, equation 7. With
h = [log pi(y_w|x) - log pi_sft(y_w|x)] - [log pi(y_l|x) - log pi_sft(y_l|x)], sums over completion tokens,

    loss = -log sigmoid(beta h)  -  sft_weight * mean_t log pi(y_w,t | x, y_w,<t)

Differs from the paper: the second term (sft_weight > 0; RPO, Pang et al. 2024, arXiv 2404.19733), which keeps the
likelihood of the chosen summary from falling along with that of the rejected one; AdamW instead of RMSprop.
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
    """DPO's coefficients."""

    beta: Annotated[float, Field(gt=0, le=10, description="strength of the pull to the SFT model")]
    sft_weight: Annotated[
        float, Field(ge=0, le=10, description="weight of the chosen summary's mean token NLL")
    ]


def loss(
    config: Config,
    chosen_logps: Tensor,
    rejected_logps: Tensor,
    chosen_reference_logps: Tensor,
    rejected_reference_logps: Tensor,
    chosen_tokens: Tensor,
) -> Tensor:
    """One loss a pair, (pairs,), in nats; ln 2 when the policy is the reference and sft_weight is 0."""
    from torch.nn.functional import (
        logsigmoid,  # here, as reading params.yaml must not cost an import of torch
    )

    h = (chosen_logps - chosen_reference_logps) - (rejected_logps - rejected_reference_logps)
    return (
        -logsigmoid(config.beta * h) - config.sft_weight * chosen_logps / chosen_tokens
    )  # equation 7, and RPO's


def trl_arguments(config: Config) -> dict[str, Any]:
    """DPOConfig's names for this loss, for engine: trl. Its second term is a mean over the batch's tokens."""
    if config.sft_weight == 0:
        return {"beta": config.beta, "loss_type": ["sigmoid"]}
    return {"beta": config.beta, "loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, config.sft_weight]}


def identity(config: Config) -> dict[str, float]:
    """What the first step logs while the policy still is the reference: no reward, and ln 2 nats of loss."""
    rewards = {"rewards/chosen": 0.0, "rewards/rejected": 0.0}
    return {**rewards, "loss": log(2)} if config.sft_weight == 0 else rewards
