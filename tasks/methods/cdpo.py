"""cDPO: DPO that knows a share of its labels to be wrong.

Rafailov, Sharma, Mitchell, Ermon, Manning, Finn (2023), arXiv 2305.18290, equation 7, with smoothed labels as in
Mitchell (2023), "A note on DPO with noisy preferences and relationship to IPO", equation 3. With h as in DPO,

    loss = -(1 - epsilon) log sigmoid(beta h) - epsilon log sigmoid(-beta h)

It is least at h = ln((1 - epsilon) / epsilon) / beta: the margin stops growing where the labels' noise ends it.

Differs from the paper: nothing but AdamW. TRL 1.16 ignores label_smoothing in its sigmoid loss, so there is no
engine: trl.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tasks.settings import Branch

if TYPE_CHECKING:
    from torch import Tensor

FAMILY = "pairs"


class Config(Branch):
    """cDPO's coefficients."""

    beta: Annotated[float, Field(gt=0, le=10, description="strength of the pull to the SFT model")]
    epsilon: Annotated[float, Field(gt=0, lt=0.5, description="share of pairs whose label is wrong")]


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
    return -(1 - config.epsilon) * right - config.epsilon * wrong


def identity(config: Config) -> dict[str, float]:
    """What the first step logs while the policy still is the reference: no reward, and ln 2 nats of loss."""
    return {"rewards/chosen": 0.0, "rewards/rejected": 0.0, "loss": log(2)}
