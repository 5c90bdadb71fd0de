"""KTO: Kahneman-Tversky Optimization, from single summaries that were found good or bad.

Ethayarajh, Xu, Muennighoff, Jurafsky, Kiela (2024), arXiv 2402.01306, equation 8. With
r = log pi(y|x) - log pi_sft(y|x), a sum over tokens, and z the divergence of the policy from the reference,

    loss = desirable_weight   * (1 - sigmoid(beta (r - z)))   of a good summary
           undesirable_weight * (1 - sigmoid(beta (z - r)))   of a bad one

z is the mean over the batch of r of another document's summary, or 0 where that is negative; no gradient passes it.

Differs from the paper: the summary that is not the document's is chosen once for all epochs, always of another prompt;
AdamW.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from tasks.settings import Branch

if TYPE_CHECKING:
    from torch import Tensor

FAMILY = "unpaired"


class Config(Branch):
    """KTO's coefficients."""

    beta: Annotated[float, Field(gt=0, le=10, description="how soon a gain or a loss stops to count")]
    desirable_weight: Annotated[float, Field(gt=0, le=10, description="lambda_D, of good summaries")]
    undesirable_weight: Annotated[float, Field(gt=0, le=10, description="lambda_U, of bad summaries")]
    ratings: Annotated[
        Literal["pairs", "own"],
        Field(description="fold A's pairs, each side alone, or the rated rows at own.ratings"),
    ]


def loss(config: Config, logps: Tensor, reference_logps: Tensor, desirable: Tensor, kl: Tensor) -> Tensor:
    """One loss a summary, (rows,); desirable is bool (rows,), kl is z in nats, a number or one a row."""
    r = logps - reference_logps
    good = config.desirable_weight * (1 - (config.beta * (r - kl)).sigmoid())
    bad = config.undesirable_weight * (1 - (config.beta * (kl - r)).sigmoid())
    return good.where(desirable, bad)  # equation 8


def identity(config: Config) -> dict[str, float]:
    """What the first step logs while the policy still is the reference: no divergence, and half of the weight."""
    if config.desirable_weight == config.undesirable_weight:
        return {"kl": 0.0, "loss": config.desirable_weight / 2}
    return {"kl": 0.0}
