"""Best-of-N SFT: of N of the SFT model's own summaries the best is learned as if a human had written it.

Sessa, Dadashi, Hussenot, Ferret, Vieillard, Rame, Shahriari, Perrin, Friesen, Cideron, Girgin, Stanczyk, Michi,
Sinopalnikov, Ramos, Heliou, Severyn, Hoffman, Momchev, Bachem (2024), arXiv 2407.14622, section 4: the forward part of
BOND alone. Best-of-N itself, at decoding time, is in Stiennon et al. 2020, arXiv 2009.01325. With N completions
y_i ~ pi_sft at T = 1, drawn and ranked once for all epochs,

    loss = -log pi(y_best|x),  best = argmax_i r(x, y_i)

whose mean is KL(pi_BoN || pi) and a constant.

Differs from the paper: summaries are not drawn anew for each step, but are the ones that the pairs were made of, for
fold A's prompts alone; one that did not end itself is not ranked; AdamW.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from tasks.settings import Branch

if TYPE_CHECKING:
    from torch import Tensor

FAMILY = "best"


class Config(Branch):
    """Of how many the best is taken, and by whose word; the stage `best` reads both."""

    best_of: Annotated[int, Field(ge=2, le=64, description="N of Best-of-N; sample.completions or fewer")]
    reward: Annotated[
        Literal["model", "judge"],
        Field(description="fold A's reward model, or the judge that made the pairs"),
    ]


def loss(best_logps: Tensor) -> Tensor:
    """One loss a prompt, (prompts,), in nats a sequence."""
    if best_logps.ndim != 1:
        raise ValueError(f"best_logps must be (prompts,), got shape {tuple(best_logps.shape)}")
    return -best_logps


def identity(config: Config) -> dict[str, float]:
    """Nothing: without a reference no number of the first step is known beforehand."""
    return {}
