"""IPO: Identity Preference Optimization, on whole summaries.

Azar, Rowland, Piot, Guo, Calandriello, Valko, Munos (2023), arXiv 2310.12036, equation 17. With
h = [log pi(y_w|x) - log pi_sft(y_w|x)] - [log pi(y_l|x) - log pi_sft(y_l|x)], sums over completion tokens,

    loss = (h - 1 / (2 tau))^2

h goes to (p(y_w preferred) - 1/2) / tau, which stays finite where DPO's margin runs away: at tau 0.1 a pair on which
all agree is worth 5 nats a summary. The loss is 1 / (4 tau^2) before the first step, so a learning rate that suits one
tau is wrong for another.

Differs from the paper: nothing but AdamW. The paper's examples are bandits; ipo_mean is the other reading of its
log pi for texts, a mean over tokens, and the one that TRL has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tasks.settings import Branch

if TYPE_CHECKING:
    from torch import Tensor

FAMILY = "pairs"


class Config(Branch):
    """IPO's coefficient."""

    tau: Annotated[float, Field(gt=0, le=10, description="the margin aimed at is 1 / (2 tau) nats a summary")]


def loss(
    config: Config,
    chosen_logps: Tensor,
    rejected_logps: Tensor,
    chosen_reference_logps: Tensor,
    rejected_reference_logps: Tensor,
) -> Tensor:
    """One loss a pair, (pairs,), in squared nats; 1 / (4 tau^2) when the policy is the reference."""
    h = (chosen_logps - chosen_reference_logps) - (rejected_logps - rejected_reference_logps)
    return (h - 1 / (2 * config.tau)) ** 2  # equation 17


def identity(config: Config) -> dict[str, float]:
    """What the first step logs while the policy still is the reference: no reward."""
    return {"rewards/chosen": 0.0, "rewards/rejected": 0.0}
