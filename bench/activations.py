"""What a step keeps for its backward pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch


class _Kept:
    """A saved tensor, which says when it is let go."""

    def __init__(self, tensor: torch.Tensor, gone: Callable[[int], None]):
        self.tensor, self._place, self._gone = tensor, _place(tensor), gone

    def __del__(self) -> None:
        self._gone(self._place)


def peak_mib(model: Any, run: Callable[[], Any]) -> float:
    """The most that saved tensors hold at once while this runs, in MiB: each storage once, parameters not at all."""
    parameters = {_place(parameter) for parameter in model.parameters()}
    holders: Counter[int] = Counter()
    sizes: dict[int, int] = {}
    held = most = 0

    def gone(place: int) -> None:
        nonlocal held
        holders[place] -= 1
        if not holders[place]:
            held -= sizes.pop(place)

    def pack(tensor: torch.Tensor) -> torch.Tensor | _Kept:
        nonlocal held, most
        place = _place(tensor)
        if place in parameters:
            return tensor
        if not holders[place]:
            sizes[place] = tensor.untyped_storage().nbytes()
            held += sizes[place]
            most = max(most, held)
        holders[place] += 1
        return _Kept(tensor, gone)

    def unpack(kept: torch.Tensor | _Kept) -> torch.Tensor:
        return kept.tensor if isinstance(kept, _Kept) else kept

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        run()
    return most / 2**20


def _place(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
