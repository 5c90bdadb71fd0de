"""ORPO: Odds Ratio Preference Optimization, supervised learning and preference in one, without a reference.

Hong, Lee, Thorne (2024), arXiv 2403.07691, equation 6. With P(y|x) = exp(log pi(y|x) / |y|), a mean over tokens, and
odds(y) = P / (1 - P),

    loss = -log P(y_w|x)  -  weight * log sigmoid(log odds(y_w) - log odds(y_l))

Differs from the paper: the first term is of the summary alone; its repository and TRL take the prompt's tokens in,
unless told otherwise, and then learn the document. AdamW. P is a mean and no probability, so its odds are no real ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tasks.settings import Branch

if TYPE_CHECKING:
    from torch import Tensor

FAMILY = "pairs"
CERTAIN = -1e-7  # nats a token: closer to P = 1 the odds have no finite float32


class Config(Branch):
    """ORPO's coefficient."""

    weight: Annotated[float, Field(ge=0, le=10, description="lambda, the weight of the odds ratio")]


def loss(
    config: Config,
    chosen_logps: Tensor,
    rejected_logps: Tensor,
    chosen_tokens: Tensor,
    rejected_tokens: Tensor,
) -> Tensor:
    """One loss a pair, (pairs,), in nats; that of supervised learning and weight ln 2 for summaries alike."""
    from torch.nn.functional import (
        logsigmoid,  # here, as reading params.yaml must not cost an import of torch
    )

    chosen, rejected = chosen_logps / chosen_tokens, rejected_logps / rejected_tokens
    return -chosen - config.weight * logsigmoid(_log_odds(chosen) - _log_odds(rejected))  # equation 6


def identity(config: Config) -> dict[str, float]:
    """Nothing: without a reference no number of the first step is known beforehand."""
    return {}


def _log_odds(logp: Tensor) -> Tensor:
    """log P - log(1 - P) of log P; by expm1, as 1 - exp(log P) is 0 in float32 long before P is 1."""
    below = logp.clamp(max=CERTAIN)
    return below - (-below.expm1()).log()
