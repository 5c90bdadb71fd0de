"""Attention over shared prompts as an attention implementation of transformers.

A model that was given it (`install`) computes as ever, until a forward pass brings a `layout`: then every completion
sees its prompt and itself, and nothing else. The layout passes through the model's keyword arguments, so that it is
there, too, when gradient checkpointing runs a layer again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from tasks.engine import back_ends
from tasks.engine.back_ends import CannotShare, Rule, softmax_attention
from tasks.engine.layout import Layout

NAME = "gallim"
SHAREABLE_LAYERS = frozenset({"full_attention", "sliding_attention"})
OPAQUE = torch.zeros(
    1, 1, 1, 1
)  # a 4-dimensional mask, which transformers hands on and which nobody reads here
HARMLESS = frozenset(
    {"position_ids", "use_cache", "output_attentions", "output_hidden_states", "return_dict", "is_causal"}
)


class Attending(Protocol):
    """What a forward pass may bring as `layout` besides a Layout."""

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rule: Rule
    ) -> torch.Tensor: ...


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
    layout: Layout | Attending | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention function: by the layout where there is one, else as ever."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if layout is None:
        if softcap is None:
            return sdpa_attention_forward(
                module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more
            )
        return softmax_attention(query, key, value, attention_mask, Rule(scale, softcap, None)).transpose(
            1, 2
        ), None
    strange = sorted(name for name, given in more.items() if given is not None and name not in HARMLESS)
    if strange:
        raise CannotShare(f"{type(module).__name__} attends with {', '.join(strange)}")
    if dropout:
        raise CannotShare("attention dropout would draw one mask for all completions of a prompt")
    layer: Any = module.layer_idx
    rule = Rule(scale, softcap, _window(module, layer, sliding_window))
    if isinstance(layout, Layout):
        out = back_ends.attend(layout, layer, query, key, value, rule)
    else:
        out = layout.attend(layer, query, key, value, rule)
    return out.transpose(1, 2).contiguous(), None


def _window(module: Any, layer: int, given: int | None) -> int | None:
    """The layer's window; some families' full layers carry that of the others."""
    kinds = getattr(module.config, "layer_types", None)
    if kinds is None:
        return given
    if kinds[layer] == "full_attention":
        return None
    return given or module.config.sliding_window


AttentionInterface.register(NAME, forward)
AttentionMaskInterface.register(NAME, sdpa_mask)


def obstacle(model: PreTrainedModel) -> str | None:
    """Why this model cannot share prompts, in a few words; None when it can."""
    inner = bare(model)
    for adapter in getattr(model, "peft_config", {}).values():
        if adapter.is_prompt_learning:
            return "prompt-learning adapters put tokens of their own before every row"
    if not getattr(inner, "_supports_attention_backend", False):
        return f"the attention of {type(inner).__name__} cannot be replaced"
    config = inner.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds - SHAREABLE_LAYERS:
        return f"it has {', '.join(sorted(kinds - SHAREABLE_LAYERS))} layers, whose state runs through the stream"
    if getattr(inner.config, "is_encoder_decoder", False):
        return "it is an encoder-decoder"
    if getattr(config, "attention_dropout", 0.0):
        return "its attention dropout would draw one mask for all completions of a prompt"
    return None


def install(model: PreTrainedModel) -> None:
    """Nothing; the model attends by layouts from now on, where it is given one."""
    bare(model).set_attn_implementation(NAME)


def uninstall(model: PreTrainedModel) -> None:
    """Nothing; the model attends as transformers would have it."""
    inner = bare(model)
    inner.set_attn_implementation("sdpa" if inner._supports_sdpa else "eager")


def bare(model: PreTrainedModel) -> Any:
    """The model itself, without the adapter around it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


@contextmanager
def stock(model: PreTrainedModel) -> Iterator[None]:
    """Inside it, transformers' own attention: what every other trainer computes."""
    given = bare(model).config._attn_implementation
    uninstall(model)
    try:
        yield
    finally:
        bare(model).set_attn_implementation(given)
