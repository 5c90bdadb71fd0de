"""Iterative BOND: Best-of-N Distillation whose anchor is the policy of some steps ago.

Sessa, Dadashi, Hussenot, Ferret, Vieillard, Rame, Shahriari, Perrin, Friesen, Cideron, Girgin, Stanczyk, Michi,
Sinopalnikov, Ramos, Heliou, Severyn, Hoffman, Momchev, Bachem (2024), arXiv 2407.14622, section 5. Best-of-N of
Best-of-M is Best-of-NM, so a small N, distilled again and again, reaches a large one. With N - 1 times
r_BOND(y) = log p(r(y') <= r(y)) + log(B) / (N - 1) the log-ratio of Best-of-N to the anchor (theorem 1; B counts ties,
from 1 to N), the gradient of (1 - beta) KL(BoN || pi) + beta KL(pi || BoN) is estimated by

    loss = -(1 - beta) log pi(y_best)  -  beta (N - 1) (R - mean R) log pi(y)
    R = r_BOND(y) - [log pi(y) - log pi_anchor(y)] / (N - 1)

y is the policy's, y_best the best of N of the anchor's, and the chances are counted over k of the anchor's.

Differs from the paper: a chance of 0 counts as 1 / (2k); AdamW. Rounds without end are Best-of-infinity: choose `steps`
by the reward and the divergence of the evaluation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from tasks.settings import Rewarded

if TYPE_CHECKING:
    from torch import Tensor

FAMILY = "distil"


class Config(Rewarded):
    """Iterative BOND's coefficients."""

    beta: Annotated[
        float, Field(ge=0, le=1, description="share of the backward divergence; 0 learns the best alone")
    ]
    best_of: Annotated[int, Field(ge=2, le=64, description="N of Best-of-N")]
    anchor_samples: Annotated[
        int,
        Field(
            ge=2, le=256, description="k, the anchor's summaries a prompt that y is ranked among; N or more"
        ),
    ]
    anchor_every: Annotated[int, Field(ge=1, description="optimizer steps until the policy is the anchor")]

    @model_validator(mode="after")
    def _enough_to_choose_from(self) -> Config:
        if self.anchor_samples < self.best_of:
            raise ValueError(
                f"anchor_samples {self.anchor_samples} is less than best_of {self.best_of}; raise it"
            )
        return self


def advantages(config: Config, rewards_P: Tensor, anchor_rewards_PK: Tensor, kl_P: Tensor) -> Tensor:
    """(P,): N - 1 times R less its mean over the prompts; kl in nats a sequence, of the policy to the anchor."""
    own_P1 = rewards_P[:, None]
    at_most_P = (anchor_rewards_PK <= own_P1).float().mean(1).clamp(min=0.5 / config.anchor_samples)
    below_P = (anchor_rewards_PK < own_P1).float().mean(1)
    returns_P = log_quantile(at_most_P, below_P, config.best_of) - kl_P / (config.best_of - 1)
    return (config.best_of - 1) * (returns_P - returns_P.mean())


def log_quantile(at_most: Tensor, below: Tensor, best_of: int) -> Tensor:
    """r_BOND: N - 1 times this is log pi_BoN - log pi_anchor, by the chances of a reward at most and below y's."""
    share = below / at_most
    ties = sum(share**power for power in range(best_of))  # B, from 1 to N
    return at_most.log() + ties.log() / (best_of - 1)  # equation 9


def loss(
    config: Config, logps: Tensor, best_logps: Tensor, advantages: Tensor, anchor_logps: Tensor
) -> Tensor:
    """One loss a prompt, (P,); only its gradient has a meaning."""
    return -(1 - config.beta) * best_logps - config.beta * advantages * logps


def anchor_rate(config: Config, step: int) -> float:
    """1 every `anchor_every` steps: the anchor is the policy then."""
    return float(step % config.anchor_every == 0)


def identity(config: Config) -> dict[str, float]:
    """What the first step logs while the policy still is its anchor: no divergence."""
    return {"kl_anchor": 0.0}
