"""REINFORCE with a running mean of the rewards as its baseline.

Williams (1992), for language models as in Ahmadian, Cremer, Galle, Fadaee, Kreutzer, Pietquin, Ustun, Hooker
(2024), arXiv 2402.14740, equation 6. For each prompt, completions y_i ~ pi at T = 1; the whole completion is an action:

    R_i = r(x, y_i) - beta * [log pi(y_i|x) - log pi_sft(y_i|x)]
    A_i = R_i - b,  b the mean of R over all earlier steps
    ascend  mean_i A_i grad log pi(y_i|x)

Differs from the paper: b is 0 at the first step, which is where the scaled rewards of SFT's summaries are; the reward
is scaled as for RLOO, so that the two differ in the baseline alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tasks.settings import Rewarded

if TYPE_CHECKING:
    from torch import Tensor

FAMILY = "online"


class Config(Rewarded):
    """REINFORCE's coefficients."""

    beta: Annotated[float, Field(gt=0, le=10, description="price of one nat of sequence KL, in reward units")]
    completions: Annotated[int, Field(ge=1, le=64, description="completions a prompt; the paper takes 1")]


def advantages(config: Config, rewards_PK: Tensor, kl_PK: Tensor, baseline: float) -> Tensor:
    """(P, K), in reward units; kl in nats a sequence (k1), baseline the mean of the earlier penalised rewards."""
    return rewards_PK - config.beta * kl_PK - baseline  # equation 6


def loss(logps: Tensor, sampling_logps: Tensor, advantages: Tensor) -> Tensor:
    """One loss a completion, (rows,); its gradient is that of -A log pi while the sampling policy is the policy."""
    return -advantages * (logps - sampling_logps).exp()


def identity(config: Config) -> dict[str, float]:
    """What the first step logs while the policy still is the reference: no divergence."""
    return {"kl": 0.0}
