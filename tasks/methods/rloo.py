"""RLOO: REINFORCE Leave-One-Out.

Ahmadian, Cremer, Galle, Fadaee, Kreutzer, Pietquin, Ustun, Hooker (2024), arXiv 2402.14740, section 2.3. For each
prompt, k completions y_i ~ pi at T = 1; the whole completion is one action:

    R_i = r(x, y_i) - beta * [log pi(y_i|x) - log pi_sft(y_i|x)]
    A_i = R_i - mean_{j != i} R_j
    ascend  (1/k) sum_i A_i grad log pi(y_i|x)

Differs from the paper: one optimizer step a rollout (the paper takes two); the reward model's score is brought to mean
0 and deviation 1 on the preference pairs, so that beta means the same for every reward model; a completion cut off
before EOS loses eos_penalty; AdamW.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from tasks.settings import Rewarded

if TYPE_CHECKING:
    from torch import Tensor

FAMILY = "online"


class Config(Rewarded):
    """RLOO's coefficients."""

    beta: Annotated[float, Field(gt=0, le=10, description="price of one nat of sequence KL, in reward units")]
    completions: Annotated[int, Field(ge=2, le=64, description="k, completions a prompt")]


def advantages(config: Config, rewards_PK: Tensor, kl_PK: Tensor) -> Tensor:
    """(P, K), in reward units, each row's sum 0; P prompts, K completions, kl in nats a sequence (k1)."""
    penalised_PK = rewards_PK - config.beta * kl_PK
    others_PK = penalised_PK.sum(1, keepdim=True) - penalised_PK
    return penalised_PK - others_PK / (config.completions - 1)


def loss(logps: Tensor, sampling_logps: Tensor, advantages: Tensor) -> Tensor:
    """One loss a completion, (rows,); its gradient is that of -A log pi while the sampling policy is the policy."""
    return -advantages * (logps - sampling_logps).exp()


def trl_arguments(config: Config) -> dict[str, Any]:
    """RLOOConfig's names for this method, for engine: trl."""
    return {"beta": config.beta, "num_generations": config.completions}


def identity(config: Config) -> dict[str, float]:
    """What the first step logs while the policy still is the reference: no divergence, and no loss by construction."""
    return {"kl": 0.0, "loss": 0.0}
