"""RPO: DPO with a term of supervised learning on the chosen summary.

Pang, Yuan, Cho, He, Sukhbaatar, Weston (2024), arXiv 2404.19733, equation 1. With h as in DPO,

    loss = -log sigmoid(beta h)  -  sft_weight * log pi(y_w|x) / |y_w|

DPO may lower the likelihood of both summaries while their gap grows; the second term keeps that of the chosen one up.

Differs from the paper: both terms are of the summary alone (theirs covers the chain of thought and the answer); AdamW.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from tasks.settings import Branch

if TYPE_CHECKING:
    from torch import Tensor

FAMILY = "pairs"


class Config(Branch):
    """RPO's coefficients."""

    beta: Annotated[float, Field(gt=0, le=10, description="strength of the pull to the SFT model")]
    sft_weight: Annotated[
        float, Field(gt=0, le=10, description="weight of the chosen summary's mean token NLL")
    ]


def loss(
    config: Config,
    chosen_logps: Tensor,
    rejected_logps: Tensor,
    chosen_reference_logps: Tensor,
    rejected_reference_logps: Tensor,
    chosen_tokens: Tensor,
) -> Tensor:
    """One loss a pair, (pairs,), in nats."""
    from torch.nn.functional import (
        logsigmoid,  # here, as reading params.yaml must not cost an import of torch
    )

    h = (chosen_logps - chosen_reference_logps) - (rejected_logps - rejected_reference_logps)
    return -logsigmoid(config.beta * h) - config.sft_weight * chosen_logps / chosen_tokens  # equation 1


def trl_arguments(config: Config) -> dict[str, Any]:
    """DPOConfig's names for this loss, for engine: trl. Its second term is a mean over the batch's tokens."""
    return {"beta": config.beta, "loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, config.sft_weight]}


def identity(config: Config) -> dict[str, float]:
    """What the first step logs while the policy still is the reference: no reward."""
    return {"rewards/chosen": 0.0, "rewards/rejected": 0.0}
