"""IPO on mean tokens: Identity Preference Optimization with log-ratios averaged over each summary's tokens.

Azar, Rowland, Piot, Guo, Calandriello, Valko, Munos (2023), arXiv 2310.12036, equation 17. With
h = [log pi(y_w|x) - log pi_sft(y_w|x)] / |y_w| - [log pi(y_l|x) - log pi_sft(y_l|x)] / |y_l|,

    loss = (h - 1 / (2 tau))^2

The margin aimed at is in nats a token here: at tau 0.1 it is 5 of them, which no summarizer reaches, and the loss
pushes as a straight line would; tau of 0.5 and more makes it a target.

Differs from the paper: the means over tokens. The paper's equation has log pi of a whole answer, which is what ipo has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from tasks.settings import Branch

if TYPE_CHECKING:
    from torch import Tensor

FAMILY = "pairs"


class Config(Branch):
    """IPO's coefficient."""

    tau: Annotated[float, Field(gt=0, le=10, description="the margin aimed at is 1 / (2 tau) nats a token")]


def loss(
    config: Config,
    chosen_logps: Tensor,
    rejected_logps: Tensor,
    chosen_reference_logps: Tensor,
    rejected_reference_logps: Tensor,
    chosen_tokens: Tensor,
    rejected_tokens: Tensor,
) -> Tensor:
    """One loss a pair, (pairs,), in squared nats a token; 1 / (4 tau^2) when the policy is the reference."""
    chosen = (chosen_logps - chosen_reference_logps) / chosen_tokens
    rejected = (rejected_logps - rejected_reference_logps) / rejected_tokens
    return (chosen - rejected - 1 / (2 * config.tau)) ** 2  # equation 17


def trl_arguments(config: Config) -> dict[str, Any]:
    """DPOConfig's names for this loss, for engine: trl."""
    return {"beta": config.tau, "loss_type": ["ipo"]}


def identity(config: Config) -> dict[str, float]:
    """What the first step logs while the policy still is the reference: no reward."""
    return {"rewards/chosen": 0.0, "rewards/rejected": 0.0}
