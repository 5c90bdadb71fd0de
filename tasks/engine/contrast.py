"""Contrastive losses beside a reward model's own, on its representations of summaries or of pairs.

Wang et al. 2024 (arXiv 2401.06080, section 3.1): L = L_reward + weight L_contrast, of the representations themselves or
of the differences within pairs. SimCSE: Gao et al. 2021, arXiv 2104.08821, equation 1. SwAV: Caron et al. 2020,
arXiv 2006.09882, equations 1 to 5.

Legend of shapes: R rows, E components, K prototypes, P pairs.
"""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy, log_softmax, normalize

ROUNDS = 3  # of Sinkhorn and Knopp's iteration, as in SwAV's section 3.1


def both_ways(chosen_PE: torch.Tensor, rejected_PE: torch.Tensor) -> torch.Tensor:
    """(2 P, E): chosen less rejected of each pair, then rejected less chosen."""
    difference_PE = chosen_PE - rejected_PE
    return torch.cat([difference_PE, -difference_PE])


def simcse(first_RE: torch.Tensor, second_RE: torch.Tensor, temperature: float) -> torch.Tensor:
    """(R,), in nats: how well a row's second pass is told from all other rows' by cosine; ln R where all are alike.

    Both passes with dropout on: without it they are the same numbers, and there is nothing to learn (ValueError).
    """
    if torch.equal(first_RE, second_RE):
        raise ValueError("both passes gave the same numbers; switch dropout on")
    similar_RR = normalize(first_RE, dim=1) @ normalize(second_RE, dim=1).T / temperature
    return cross_entropy(similar_RR, torch.arange(len(first_RE), device=first_RE.device), reduction="none")


def swav(
    first_RE: torch.Tensor,
    second_RE: torch.Tensor,
    prototypes_KE: torch.Tensor,
    temperature: float,
    sharpness: float,
) -> torch.Tensor:
    """(R,), in nats: how well each pass foretells the prototypes that the other is assigned to, the mean of both ways.

    sharpness: the epsilon of the assignment, smaller for sharper ones.
    """
    to = normalize(prototypes_KE, dim=1).T
    first_RK, second_RK = (normalize(rows_RE, dim=1) @ to for rows_RE in (first_RE, second_RE))
    told = [log_softmax(scores_RK / temperature, dim=1) for scores_RK in (first_RK, second_RK)]
    with torch.no_grad():  # an assignment is a target
        wanted = [assigned(scores_RK, sharpness) for scores_RK in (second_RK, first_RK)]
    return -sum((q * logp).sum(1) for q, logp in zip(wanted, told, strict=True)) / 2


def assigned(scores_RK: torch.Tensor, sharpness: float) -> torch.Tensor:
    """(R, K): each row's shares of the prototypes, which sum to 1, and nearly R / K for every prototype."""
    logs_RK = (scores_RK / sharpness).double()
    for _ in range(ROUNDS):
        logs_RK = logs_RK - logs_RK.logsumexp(0, keepdim=True)
        logs_RK = logs_RK - logs_RK.logsumexp(1, keepdim=True)
    return logs_RK.exp().to(scores_RK.dtype)
