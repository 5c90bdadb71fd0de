"""RAFT: Reward rAnked Fine-Tuning: of k samples the best is learned as if a human had written it.

Dong, Xiong, Goyal, Zhang, Chow, Pan, Diao, Zhang, Shum, Zhang (2023), arXiv 2304.06767, algorithm 1, in the form that
RLOO's paper compares with (Ahmadian et al. 2024, arXiv 2402.14740, section 4). For each prompt, k completions
y_i ~ pi at T = 1:

    R_i = r(x, y_i) - beta * [log pi(y_i|x) - log pi_sft(y_i|x)]
    loss = -log pi(y_best|x),  best = argmax_i R_i

Differs from the paper: one optimizer step a rollout, where RAFT ranks a large batch and then trains on it; the reward
is scaled as for RLOO, so that the two differ in the estimator alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tasks.settings import Rewarded

if TYPE_CHECKING:
    from torch import Tensor

FAMILY = "online"


class Config(Rewarded):
    """RAFT's coefficients."""

    beta: Annotated[float, Field(ge=0, le=10, description="price of one nat of sequence KL, in reward units")]
    completions: Annotated[int, Field(ge=2, le=64, description="k, completions a prompt")]


def advantages(config: Config, rewards_PK: Tensor, kl_PK: Tensor) -> Tensor:
    """(P, K): k for each prompt's best completion, 0 for the rest; kl in nats a sequence (k1)."""
    penalised_PK = rewards_PK - config.beta * kl_PK
    best_P1 = penalised_PK.argmax(1, keepdim=True)  # the first one of equals
    return penalised_PK.new_zeros(penalised_PK.shape).scatter(1, best_P1, float(config.completions))


def loss(logps: Tensor, sampling_logps: Tensor, advantages: Tensor) -> Tensor:
    """One loss a completion, (rows,), in nats; their mean is that of -log pi(best) over the prompts."""
    return -advantages * logps


def identity(config: Config) -> dict[str, float]:
    """What the first step logs while the policy still is the reference: no divergence."""
    return {"kl": 0.0}
