"""Attention over a layout, three ways to the same numbers, all of them exact.

`block` runs on any device, with two calls of PyTorch's attention a group; `varlen` on CUDA, with one call of
FlashAttention whose keys are gathered by index; `flex` on CUDA, with one call of FlexAttention, the only fused one that
has a softcap. On a CPU `varlen` and `flex` are computed in other ways from the same indices and masks, so that those
can be tested there.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from transformers.integrations.sdpa_attention import repeat_kv

from tasks.engine.layout import Layout, Streams, visible


class CannotShare(Exception):
    """The model's attention has a part that a shared prompt is not known to leave alone."""


class Rule(NamedTuple):
    """What a layer does with a score besides the softmax."""

    scale: float
    softcap: float | None  # cap * tanh(score / cap)
    window: int | None  # keys less than so many positions back


def attend(
    layout: Layout, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rule: Rule
) -> torch.Tensor:
    """query (1, H, T, D), key and value (1, H_kv, T, D) -> (1, H, T, D)."""
    if layout.kept is not None:
        layout.kept[layer] = (key, value)
    return BACK_ENDS[layout.back_end](layout, query, key, value, rule)


def block(
    layout: Layout, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rule: Rule
) -> torch.Tensor:
    """Two calls a group: the prompt with itself, and all its completions with prompt and themselves.

    The stream is cut by `split`, whose backward pass is one concatenation; a slice's would fill the whole stream anew.
    """
    sizes = [segment.length for segment in layout.segments]
    out = []
    for number, (q, k, v) in enumerate(
        zip(query.split(sizes, 2), key.split(sizes, 2), value.split(sizes, 2), strict=True)
    ):
        prompt, length = layout.segments[number].prompt, sizes[number]
        q_prompt, q_completions = q.split([prompt, length - prompt], 2)
        mask = None
        if rule.window is not None and rule.window < prompt:
            mask = layout.prompt_mask(prompt, rule.window)
        out.append(softmax_attention(q_prompt, k[:, :, :prompt], v[:, :, :prompt], mask, rule))
        if length > prompt:
            window = rule.window if rule.window is not None and rule.window < length else None
            out.append(softmax_attention(q_completions, k, v, layout.mask(number, window), rule))
    return torch.cat(out, 2)


def softmax_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, rule: Rule
) -> torch.Tensor:
    """Attention of (B, H, Q, D) over (B, H_kv, K, D); without a mask it is causal."""
    times = query.shape[1] // key.shape[1]
    key, value = repeat_kv(key, times), repeat_kv(value, times)
    if rule.softcap is None:
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=mask is None, scale=rule.scale
        )
    if mask is None:
        shape = (query.shape[2], key.shape[2])
        mask = torch.ones(shape, dtype=torch.bool, device=query.device).tril(shape[1] - shape[0])
    scores = capped(query @ key.transpose(2, 3) * rule.scale, rule.softcap)
    weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(-1, dtype=torch.float32)
    return weights.to(value.dtype) @ value


def capped(scores: torch.Tensor, softcap: float | None) -> torch.Tensor:
    """cap * tanh(score / cap) (Gemma 2, arXiv 2408.00118, section 2)."""
    return scores if softcap is None else softcap * torch.tanh(scores / softcap)


def varlen(
    layout: Layout, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rule: Rule
) -> torch.Tensor:
    """FlashAttention's bottom-right causal mask is just what a completion behind its prompt needs."""
    if rule.softcap is not None:
        raise CannotShare("torch's varlen_attn has no softcap")
    streams = layout.streams()
    keys, values = (tensor[0].transpose(0, 1)[streams.keys] for tensor in (key, value))
    out = varlen_kernel(query[0].transpose(0, 1), keys, values, streams, rule)
    return out.transpose(0, 1)[None]


def varlen_kernel(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, streams: Streams, rule: Rule
) -> torch.Tensor:
    """query (T, H, D), key and value (gathered, H_kv, D) -> (T, H, D); on a CPU sequence by sequence."""
    if not query.is_cuda:
        return _varlen_reference(query, key, value, streams, rule)
    from torch.nn.attention.varlen import varlen_attn

    out = varlen_attn(
        query.contiguous(),
        key.contiguous(),
        value.contiguous(),
        streams.query_starts,
        streams.key_starts,
        streams.longest_query,
        streams.longest_key,
        scale=rule.scale,
        window_size=(-1 if rule.window is None else rule.window - 1, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return out if isinstance(out, torch.Tensor) else out[0]


def _varlen_reference(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, streams: Streams, rule: Rule
) -> torch.Tensor:
    """What the kernel computes, from the same indices."""
    out = []
    cut = [tensor.diff().tolist() for tensor in (streams.query_starts, streams.key_starts)]
    for q, k, v in zip(query.split(cut[0]), key.split(cut[1]), value.split(cut[1]), strict=True):
        rows = torch.arange(len(q), device=q.device)[:, None] + len(k) - len(q)
        distance = rows - torch.arange(len(k), device=q.device)
        mask = (distance >= 0) & (distance < (rule.window or len(k)))
        q, k, v = (tensor.transpose(0, 1)[None] for tensor in (q, k, v))
        out.append(softmax_attention(q, k, v, mask, rule)[0].transpose(0, 1))
    return torch.cat(out)


def flex(
    layout: Layout, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rule: Rule
) -> torch.Tensor:
    """FlexAttention with the layout's block mask; compiled on CUDA (it has no backward pass on a CPU)."""
    softcap = rule.softcap

    def score(scores, batch, head, q, k):
        return capped(scores, softcap)

    out = _flex_attention(query.is_cuda)(
        query,
        key,
        value,
        score_mod=None if softcap is None else score,
        block_mask=layout.once(("block mask", rule.window), lambda: _block_mask(layout, rule.window)),
        scale=rule.scale,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return out if isinstance(out, torch.Tensor) else out[0]


@cache
def _flex_attention(compiled: bool) -> Any:
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, dynamic=True) if compiled else flex_attention


def _block_mask(layout: Layout, window: int | None) -> Any:
    from torch.nn.attention.flex_attention import create_block_mask

    group, completion, position = layout.coordinates()

    def seen(batch, head, q, k):
        within = visible(completion[q], completion[k], position[q], position[k], window)
        return (group[q] == group[k]) & within

    return create_block_mask(seen, None, None, len(group), len(group), device=str(layout.device))


BACK_ENDS = {"block": block, "varlen": varlen, "flex": flex}
