"""What decoding attends to: prompts' keys and values, kept once each, and those of the rows behind them.

Either half is attended to alone and the two are joined by their normalizers (cascade attention: Juravsky et al. 2024,
arXiv 2402.05099, equation 2).
"""

from __future__ import annotations

import torch

from tasks.engine import groups
from tasks.engine.back_ends import Rule, capped


class Cascade:
    """G prompts' keys and values, and those of the R rows behind them, by layer; a `layout` for one token a row.

    kept: keys and values of the prompts in one stream, without their repetitions. owners: (R,), each row's prompt.
    """

    def __init__(
        self,
        kept: dict[int, tuple[torch.Tensor, torch.Tensor]],
        lengths: list[int],
        owners: torch.Tensor,
        most: int,
    ):
        any_key = next(iter(kept.values()))[0]
        self.device, self.step = any_key.device, 0
        self._lengths = torch.tensor(lengths, device=self.device)  # (G,)
        longest = torch.arange(max(lengths), device=self.device)
        places = torch.tensor(groups.starts(lengths)[:-1], device=self.device)[:, None] + longest
        places = places.clamp(max=any_key.shape[2] - 1)  # what stands behind a shorter prompt is masked
        self._prompts = {
            layer: tuple(tensor[0][:, places].transpose(0, 1).contiguous() for tensor in both)
            for layer, both in kept.items()
        }
        rows = (len(owners), any_key.shape[1], most)
        self._rows = {  # keys and values may differ in width
            layer: tuple(tensor.new_empty(*rows, tensor.shape[3]) for tensor in both)
            for layer, both in kept.items()
        }
        self._arrange(owners)

    def keep(self, going: torch.Tensor) -> None:
        """Nothing; only these of the R rows go on, and prompts without a row leave, too."""
        self._rows = {layer: tuple(tensor[going] for tensor in both) for layer, both in self._rows.items()}
        needed, owners = torch.unique(self._owners[going], return_inverse=True)
        if len(needed) < len(self._lengths):
            self._lengths = self._lengths[needed]
            self._prompts = {layer: tuple(t[needed] for t in both) for layer, both in self._prompts.items()}
        self._arrange(owners)

    def _arrange(self, owners: torch.Tensor) -> None:
        """Rows as a table, one line a prompt: `_slots` (R,) into G x width."""
        self._owners = owners
        counts = torch.bincount(owners, minlength=len(self._lengths))
        self._width = int(counts.max())
        first = counts.cumsum(0) - counts
        places = torch.arange(len(owners), device=self.device)
        by_owner = owners.argsort(stable=True)
        self._slots = torch.empty_like(owners)
        self._slots[by_owner] = owners[by_owner] * self._width + places - first[owners[by_owner]]
        full = len(owners) == len(self._lengths) * self._width
        self._full = full and torch.equal(self._slots, places)
        self._masks: dict[int | None, torch.Tensor] = {}

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rule: Rule
    ) -> torch.Tensor:
        """query (1, H, R, D), key and value (1, H_kv, R, D): one token a row -> (1, H, R, D)."""
        heads, width = key.shape[1], query.shape[3]
        for tensor, fresh in zip(self._rows[layer], (key, value), strict=True):
            tensor[:, :, self.step] = fresh[0].transpose(0, 1)
        first = 0 if rule.window is None else max(0, self.step + 1 - rule.window)
        own = [tensor[:, :, first : self.step + 1] for tensor in self._rows[layer]]
        rows = query[0].transpose(0, 1).unflatten(1, (heads, -1))  # (R, H_kv, H / H_kv, D)
        table = self._table(rows.flatten(1)).view(len(self._lengths), self._width, heads, -1, width)
        shape = (*table.transpose(1, 2).shape[:-1], value.shape[3])
        out, normalizer = _part(
            table.transpose(1, 2).flatten(2, 3), *self._prompts[layer], self._mask(rule.window), rule
        )
        out = self._untable(out.view(shape).transpose(1, 2).flatten(0, 1))
        normalizer = self._untable(normalizer.view(*shape[:-1], 1).transpose(1, 2).flatten(0, 1))
        mine, own_normalizer = _part(rows, *own, None, rule)
        share = torch.sigmoid(normalizer - own_normalizer)
        joined = share * out + (1 - share) * mine
        return joined.flatten(1, 2).transpose(0, 1)[None].to(value.dtype)

    def _mask(self, window: int | None) -> torch.Tensor | None:
        """(G, 1, 1, longest) bool: what of the prompts the current step sees; None for all."""
        longest = next(iter(self._prompts.values()))[0].shape[2]
        if window is None or window > longest + self.step:
            window = None
        if window is None and None in self._masks:
            return self._masks[None]
        place = torch.arange(longest, device=self.device)
        seen = place < self._lengths[:, None]
        if window is not None:
            seen &= place > self._lengths[:, None] + self.step - window
            return seen[:, None, None]
        self._masks[None] = seen[:, None, None]
        return self._masks[None]

    def _table(self, rows: torch.Tensor) -> torch.Tensor:
        if self._full:
            return rows
        empty = rows.new_zeros(len(self._lengths) * self._width, *rows.shape[1:])
        return empty.index_copy(0, self._slots, rows)

    def _untable(self, table: torch.Tensor) -> torch.Tensor:
        return table if self._full else table[self._slots]


def _part(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, rule: Rule
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention of (B, H, Q, D) over (B, H, K, D) alone, and the logarithm of its normalizer (B, H, Q, 1), float32."""
    scores = capped((query @ key.transpose(2, 3)).float() * rule.scale, rule.softcap)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    highest = scores.amax(-1, keepdim=True)
    weights = (scores - highest).exp_()
    total = weights.sum(-1, keepdim=True)
    return weights.to(value.dtype) @ value / total, highest + total.log()
