"""J-BOND: Best-of-N Distillation with two anchor samples and an anchor that follows the policy.

Sessa, Dadashi, Hussenot, Ferret, Vieillard, Rame, Shahriari, Perrin, Friesen, Cideron, Girgin, Stanczyk, Michi,
Sinopalnikov, Ramos, Heliou, Severyn, Hoffman, Momchev, Bachem (2024), arXiv 2407.14622, algorithm 2. Of each
prompt, y of the policy and y'_1, y'_2 of the anchor:

    r_J = -log 16 where r(y) < min(r(y'_1), r(y'_2)), else 0
    R = r_J - [log pi(y) - log pi_anchor(y)]
    loss = -(1 - beta) log pi(y'_best)  -  beta (R - mean R) log pi(y)
           + gamma [log pi(y) - log pi_anchor(y)] log pi(y),  without gradient through the brackets
    anchor <- (1 - eta) anchor + eta policy, after each of the optimizer's steps

Differs from the paper: the sign of the term of gamma. Algorithm 2 prints a minus, by which descent raises the
divergence from the anchor that the text (equation 19) means to hold down. AdamW.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tasks.settings import Rewarded

if TYPE_CHECKING:
    from torch import Tensor

FAMILY = "distil"


class Config(Rewarded):
    """J-BOND's coefficients."""

    beta: Annotated[
        float, Field(ge=0, le=1, description="share of the backward divergence; 0 learns the best alone")
    ]
    gamma: Annotated[float, Field(ge=0, le=100, description="weight of the pull to the anchor")]
    eta: Annotated[
        float, Field(ge=0, le=1, description="share of the way to the policy that the anchor goes a step")
    ]

    @property
    def best_of(self) -> int:
        """Of as many of the anchor's summaries the best is learned."""
        return 2

    @property
    def anchor_samples(self) -> int:
        """The anchor's summaries a prompt."""
        return 2


def advantages(config: Config, rewards_P: Tensor, anchor_rewards_PK: Tensor, kl_P: Tensor) -> Tensor:
    """(P,): R less its mean over the prompts; kl in nats a sequence, of the policy to the anchor."""
    worst_P = (rewards_P < anchor_rewards_PK.min(1).values).float()
    returns_P = -log(16) * worst_P - kl_P
    return returns_P - returns_P.mean()


def loss(
    config: Config, logps: Tensor, best_logps: Tensor, advantages: Tensor, anchor_logps: Tensor
) -> Tensor:
    """One loss a prompt, (P,); only its gradient has a meaning."""
    away = (logps - anchor_logps).detach()
    backward = -config.beta * advantages * logps
    return -(1 - config.beta) * best_logps + backward + config.gamma * away * logps


def anchor_rate(config: Config, step: int) -> float:
    """eta after every step."""
    return config.eta


def identity(config: Config) -> dict[str, float]:
    """What the first step logs while the policy still is its anchor: no divergence."""
    return {"kl_anchor": 0.0}
