"""Bradley-Terry's loss for labels that are not all alike: believed less, or held to a margin of their own.

Wang et al. 2024 (Secrets of RLHF in Large Language Models Part II, arXiv 2401.06080, section 2.3). With
d = r(chosen) - r(rejected), a margin m and a share a of belief in the other order,

    loss = -(1 - a) log sigmoid(d - m) - a log sigmoid(m - d) = softplus(m - d) + a (d - m)

m = 0 is label smoothing, a = 0 the adaptive margin, both the soft label with a margin; a = 1 is the flipped pair.

Differs from the paper: its equation 6 prints the margin outside of the logarithm, where it has no gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch.nn.functional import softplus

SIDES = ("chosen", "rejected")
Known = Mapping[str, torch.Tensor]  # what a loss of pairs asks for by name, each (pairs,)


def bradley_terry(
    difference_P: torch.Tensor, margin_P: torch.Tensor, smoothing_P: torch.Tensor
) -> torch.Tensor:
    """One loss a pair, in nats; ln 2 where the difference is the margin. Margins are rewards, smoothing shares."""
    beyond_P = difference_P - margin_P
    return softplus(-beyond_P) + smoothing_P * beyond_P


def mended(
    loss: Callable[[Known], torch.Tensor],
    known: Known,
    margin_P: torch.Tensor,
    smoothing_P: torch.Tensor,
    beta: float | None,
) -> torch.Tensor:
    """Any method's loss of pairs with these labels: its mean over the two orders, as far as each is believed.

    The margin, in units of the implicit reward beta log(pi / reference), is taken off the log-ratio of chosen, so that
    DPO's loss becomes `bradley_terry` of beta h. beta: None for a method without such a reward, whose margins are 0.
    """
    if beta is None and bool(margin_P.any()):
        raise ValueError("a margin needs a method with beta and a reference")
    held = dict(known)
    if beta is not None:
        name = "chosen_reference_logps"
        held[name] = known[name] + margin_P / beta
    if not bool(smoothing_P.any()):
        return loss(held)
    return (1 - smoothing_P) * loss(held) + smoothing_P * loss(swapped(held))


def swapped(known: Known) -> dict[str, torch.Tensor]:
    """The same pairs the other way round."""
    return {_other(name): values for name, values in known.items()}


def _other(name: str) -> str:
    side, _, rest = name.partition("_")
    return f"{SIDES[1 - SIDES.index(side)]}_{rest}"
