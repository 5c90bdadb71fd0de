"""PPO: Proximal Policy Optimization with a reward model and a critic, the four-model baseline of RLHF.

Schulman, Wolski, Dhariwal, Radford, Klimov (2017), arXiv 1707.06347, equation 7; for language models as in Stiennon et
al. (2020), arXiv 2009.01325, section 3.4. Every token is an action:

    r_t = -beta [log pi_old(y_t) - log pi_sft(y_t)], and the reward of the whole summary at its last token
    delta_t = r_t + discount V_{t+1} - V_t,   A_t = sum_l (discount lambda)^l delta_{t+l}, whitened over the batch
    loss = mean_t max(-rho_t A_t, -clip(rho_t, 1 - clip, 1 + clip) A_t)
           + value_weight mean_t max((V_t - G_t)^2, (clip(V_t, V_old +- value_clip) - G_t)^2) / 2

rho_t = pi(y_t) / pi_old(y_t), G_t = A_t + V_t before whitening.

Differs from the paper: the critic starts as fold A's reward model and walks with an AdamW and a learning rate of its
own; a rollout is one batch, which all its epochs take whole; the reward is scaled as for RLOO.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tasks.settings import LearningRate, Rewarded

if TYPE_CHECKING:
    from torch import Tensor

FAMILY = "critic"


class Config(Rewarded):
    """PPO's coefficients."""

    beta: Annotated[float, Field(ge=0, le=10, description="price of one nat of KL, in reward units")]
    completions: Annotated[int, Field(ge=1, le=64, description="completions a prompt; PPO is used with 1")]
    epochs: Annotated[int, Field(ge=1, le=16, description="optimizer steps that a rollout is used for")]
    clip: Annotated[float, Field(gt=0, le=10, description="how far the ratio of a token may go from 1")]
    value_clip: Annotated[float, Field(gt=0, le=100, description="how far a value may go from the old one")]
    value_weight: Annotated[float, Field(ge=0, le=10, description="weight of the critic's loss")]
    discount: Annotated[float, Field(gt=0, le=1, description="gamma, of the next token's value")]
    trace: Annotated[float, Field(ge=0, le=1, description="lambda of generalized advantage estimation")]
    critic_learning_rate: LearningRate


def rewards(config: Config, scores_R: Tensor, kl_RT: Tensor, mask_RT: Tensor) -> Tensor:
    """(R, T): minus beta times each token's log-ratio (nats), and the summary's score at its last token."""
    last_R1 = mask_RT.sum(1, keepdim=True) - 1
    return (-config.beta * kl_RT * mask_RT).scatter_add(1, last_R1, scores_R[:, None])


def advantages(config: Config, rewards_RT: Tensor, values_RT: Tensor, mask_RT: Tensor) -> Tensor:
    """(R, T): generalized advantages (Schulman et al. 2016, arXiv 1506.02438, equation 16), 0 behind the end."""
    found, following, after = [], rewards_RT.new_zeros(len(rewards_RT)), rewards_RT.new_zeros(len(rewards_RT))
    values_RT = values_RT * mask_RT
    for step in reversed(range(rewards_RT.shape[1])):
        here, mask = values_RT[:, step], mask_RT[:, step]
        delta = rewards_RT[:, step] + config.discount * following - here
        after = (delta + config.discount * config.trace * after) * mask
        following = here
        found.append(after)
    return rewards_RT.new_zeros(rewards_RT.shape) if not found else _stacked(found[::-1])


def whitened(advantages_RT: Tensor, mask_RT: Tensor) -> Tensor:
    """The same with mean 0 and deviation 1 over all tokens; 0 behind the end."""
    kept = advantages_RT[mask_RT]
    deviation = kept.std(correction=0).clamp(min=1e-8)
    return (advantages_RT - kept.mean()) / deviation * mask_RT


def loss(config: Config, logps: Tensor, old_logps: Tensor, advantages: Tensor) -> Tensor:
    """One loss a token, of any shape; its gradient is that of -A log pi while the policy is the old one."""
    ratio = (logps - old_logps).exp()
    return (-advantages * ratio).max(
        -advantages * ratio.clamp(1 - config.clip, 1 + config.clip)
    )  # equation 7


def value_loss(config: Config, values: Tensor, old_values: Tensor, returns: Tensor) -> Tensor:
    """One loss a token, of any shape, without its weight."""
    near = old_values + (values - old_values).clamp(-config.value_clip, config.value_clip)
    return ((values - returns) ** 2).max((near - returns) ** 2) / 2


def identity(config: Config) -> dict[str, float]:
    """What the first step logs while the policy still is the reference: no divergence, no ratio but 1."""
    return {"kl": 0.0, "clip_ratio": 0.0}


def _stacked(columns: list[Tensor]) -> Tensor:
    from torch import stack  # here, as reading params.yaml must not cost an import of torch

    return stack(columns, 1)
