"""Attention over a flat stream in which completions share their prompt, as an attention implementation of transformers.

A model that was given it (`install`) computes as ever, until a forward pass brings a `layout`: then every completion
sees its prompt and itself, and nothing else. Three back ends give the same numbers: `block` (any device, two calls of
PyTorch's attention a group), `varlen` (CUDA: one call of FlashAttention, keys gathered by index) and `flex` (CUDA: one
call of FlexAttention, the only fused one with a softcap). The layout passes through the model's keyword arguments, so
that it is there, too, when gradient checkpointing runs a layer again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

NAME = "gallim"
SHAREABLE_LAYERS = frozenset({"full_attention", "sliding_attention"})
OPAQUE = torch.zeros(
    1, 1, 1, 1
)  # a 4-dimensional mask, which transformers hands on and which nobody reads here
HARMLESS = frozenset(
    {"position_ids", "use_cache", "output_attentions", "output_hidden_states", "return_dict", "is_causal"}
)


class CannotShare(Exception):
    """The model's attention has a part that a shared prompt is not known to leave alone."""


class Segment(NamedTuple):
    """A prompt's length and the lengths of the completions behind it, in tokens."""

    prompt: int
    completions: tuple[int, ...]

    @property
    def length(self) -> int:
        return self.prompt + sum(self.completions)


class Rule(NamedTuple):
    """What a layer does with a score besides the softmax."""

    scale: float
    softcap: float | None  # cap * tanh(score / cap)
    window: int | None  # keys less than so many positions back


class Attending(Protocol):
    """What a forward pass may bring as `layout`."""

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rule: Rule
    ) -> torch.Tensor: ...


@dataclass
class Layout:
    """Where prompts and completions are in the stream (T tokens); `back_end` is block, varlen or flex."""

    segments: list[Segment]
    back_end: str = "block"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    kept: dict[int, tuple[torch.Tensor, torch.Tensor]] | None = None  # layer -> keys and values, when wanted
    _made: dict[Any, Any] = field(default_factory=dict)

    def to(self, device: torch.device) -> Layout:
        """The same on a device."""
        return Layout(self.segments, self.back_end, torch.device(device), self.kept)

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rule: Rule
    ) -> torch.Tensor:
        """query (1, H, T, D), key and value (1, H_kv, T, D) -> (1, H, T, D)."""
        if self.kept is not None:
            self.kept[layer] = (key, value)
        return BACK_ENDS[self.back_end](self, query, key, value, rule)

    def mask(self, number: int, window: int | None) -> torch.Tensor:
        """(C, P + C) bool: what the completions of segment `number` see, as block and varlen_reference need it."""
        segment = self.segments[number]
        return self.once(("completions", segment, window), lambda: self._completion_mask(segment, window))

    def prompt_mask(self, length: int, window: int) -> torch.Tensor:
        """(P, P) bool: what a prompt sees of itself through a window shorter than it."""
        return self.once(("prompt", length, window), lambda: self._prompt_mask(length, window))

    def streams(self) -> Streams:
        """The stream as independent sequences, for `varlen`."""
        return self.once("streams", lambda: _streams(self.segments, self.device))

    def coordinates(self) -> torch.Tensor:
        """(3, T): group, completion (0 is the prompt) and position of every token, for `flex`."""
        return self.once("coordinates", lambda: _coordinates(self.segments).to(self.device))

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` gives, made in the first layer that asks."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def _completion_mask(self, segment: Segment, window: int | None) -> torch.Tensor:
        _, completion, position = _coordinates([segment])
        query = slice(segment.prompt, None)
        return _visible(completion[query, None], completion, position[query, None], position, window).to(
            self.device
        )

    def _prompt_mask(self, length: int, window: int) -> torch.Tensor:
        position = torch.arange(length, device=self.device)
        distance = position[:, None] - position
        return (distance >= 0) & (distance < window)


def _visible(
    query_completion: torch.Tensor,
    key_completion: torch.Tensor,
    query_position: torch.Tensor,
    key_position: torch.Tensor,
    window: int | None,
) -> torch.Tensor:
    """A completion sees its prompt (0) and itself, as far back as the window goes, and never ahead."""
    distance = query_position - key_position
    seen = ((key_completion == 0) | (key_completion == query_completion)) & (distance >= 0)
    return seen if window is None else seen & (distance < window)


def _coordinates(segments: list[Segment]) -> torch.Tensor:
    group, completion, position = [], [], []
    for number, segment in enumerate(segments):
        group += [number] * segment.length
        completion += [0] * segment.prompt
        position += range(segment.prompt)
        for place, length in enumerate(segment.completions, start=1):
            completion += [place] * length
            position += range(segment.prompt, segment.prompt + length)
    return torch.tensor([group, completion, position])


# ---- block: PyTorch's attention, group by group ----------------------------------------------------------------------


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
        out.append(_softmax(q_prompt, k[:, :, :prompt], v[:, :, :prompt], mask, rule))
        if length > prompt:
            window = rule.window if rule.window is not None and rule.window < length else None
            out.append(_softmax(q_completions, k, v, layout.mask(number, window), rule))
    return torch.cat(out, 2)


def _softmax(
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


# ---- varlen: every prompt and completion a sequence of its own, whose keys are gathered ------------------------------


class Streams(NamedTuple):
    """S sequences: queries as they stand in the stream, keys by index; causal from the bottom right."""

    keys: torch.Tensor  # into the stream
    query_starts: torch.Tensor  # (S + 1,) int32
    key_starts: torch.Tensor  # (S + 1,) int32
    longest_query: int
    longest_key: int


def _streams(segments: list[Segment], device: torch.device) -> Streams:
    keys: list[int] = []
    queries, lengths = [], []
    at = 0
    for segment in segments:
        prompt = range(at, at + segment.prompt)
        keys += prompt
        queries.append(segment.prompt)
        lengths.append(segment.prompt)
        at += segment.prompt
        for length in segment.completions:
            keys += [*prompt, *range(at, at + length)]
            queries.append(length)
            lengths.append(segment.prompt + length)
            at += length
    starts = [torch.tensor([0, *accumulate(sizes)], dtype=torch.int32) for sizes in (queries, lengths)]
    return Streams(
        torch.tensor(keys, device=device),
        starts[0].to(device),
        starts[1].to(device),
        max(queries),
        max(lengths),
    )


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
        out.append(_softmax(q, k, v, mask, rule)[0].transpose(0, 1))
    return torch.cat(out)


# ---- flex: one call, the mask as a function of group, completion and position ----------------------------------------


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
        visible = _visible(completion[q], completion[k], position[q], position[k], window)
        return (group[q] == group[k]) & visible

    return create_block_mask(seen, None, None, len(group), len(group), device=str(layout.device))


BACK_ENDS = {"block": block, "varlen": varlen, "flex": flex}


# ---- transformers' side ----------------------------------------------------------------------------------------------


def forward(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    layout: Attending | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention function: by the layout where there is one, else as ever."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if layout is None:
        if softcap is None:
            return sdpa_attention_forward(
                module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more
            )
        return _softmax(query, key, value, attention_mask, Rule(scale, softcap, None)).transpose(1, 2), None
    strange = sorted(name for name, given in more.items() if given is not None and name not in HARMLESS)
    if strange:
        raise CannotShare(f"{type(module).__name__} attends with {', '.join(strange)}")
    if dropout:
        raise CannotShare("attention dropout would draw one mask for all completions of a prompt")
    rule = Rule(scale, softcap, sliding_window or getattr(module, "sliding_window", None))
    out = layout.attend(module.layer_idx, query, key, value, rule)  # type: ignore[arg-type]
    return out.transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, forward)
AttentionMaskInterface.register(NAME, sdpa_mask)


def obstacle(model: PreTrainedModel) -> str | None:
    """Why this model cannot share prompts, in a few words; None when it can."""
    bare = model.get_base_model() if hasattr(model, "get_base_model") else model
    for adapter in getattr(model, "peft_config", {}).values():
        if adapter.is_prompt_learning:
            return "prompt-learning adapters put tokens of their own before every row"
    if not getattr(bare, "_supports_attention_backend", False):
        return f"the attention of {type(bare).__name__} cannot be replaced"
    config = bare.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds - SHAREABLE_LAYERS:
        return f"it has {', '.join(sorted(kinds - SHAREABLE_LAYERS))} layers, whose state runs through the stream"
    if getattr(bare.config, "is_encoder_decoder", False):
        return "it is an encoder-decoder"
    if getattr(config, "attention_dropout", 0.0):
        return "its attention dropout would draw one mask for all completions of a prompt"
    return None


def install(model: PreTrainedModel) -> None:
    """Nothing; the model attends by layouts from now on, where it is given one."""
    bare = model.get_base_model() if hasattr(model, "get_base_model") else model
    bare.set_attn_implementation(NAME)


@contextmanager
def stock(model: PreTrainedModel) -> Iterator[None]:
    """Inside it, transformers' own attention: what every other trainer computes."""
    bare = model.get_base_model() if hasattr(model, "get_base_model") else model
    given = bare.config._attn_implementation
    bare.set_attn_implementation("sdpa" if bare._supports_sdpa else "eager")
    try:
        yield
    finally:
        bare.set_attn_implementation(given)
