"""What must be equal before anything is timed."""

from __future__ import annotations

from typing import Any

import torch

TOLERANCE = 1e-5  # of the scale of what is compared


class Unequal(Exception):
    """The two sides do not compute the same; the message says what."""


def close(
    what: str,
    theirs: torch.Tensor,
    ours: torch.Tensor,
    *,
    scale: float | None = None,
) -> float:
    """The largest difference as a share of `scale`, else of the largest number; Unequal when it is not rounding."""
    difference = float((theirs - ours).abs().max()) / (scale or float(theirs.abs().max()))
    if not difference <= TOLERANCE:
        raise Unequal(f"{what}: they differ by {difference:.2g} of their scale; allowed is {TOLERANCE:g}")
    return difference


def gradients(what: str, theirs: Any, ours: Any) -> float:
    """The same of all gradients of two trainers' models, on the scale of the largest."""
    return close(f"{what}: gradients", _flat(theirs.model), _flat(ours.model))


def same(what: str, theirs: object, ours: object) -> None:
    """Nothing; Unequal when these are not."""
    if theirs != ours:
        raise Unequal(f"{what}: they differ")


def _flat(model: torch.nn.Module) -> torch.Tensor:
    gradients = []
    for name, parameter in sorted(model.named_parameters()):
        if parameter.grad is None:
            raise Unequal(f"{name} has no gradient")
        gradients.append(parameter.grad.flatten())
    return torch.cat(gradients)
