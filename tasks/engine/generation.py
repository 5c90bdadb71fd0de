"""Completions by transformers' generate, for models whose prompts cannot be shared (tasks/engine/sampling.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from transformers import GenerationConfig, PreTrainedModel


@dataclass(frozen=True)
class Completion:
    """One generated completion: its ids (EOS included when it ended) and whether it ended by itself.

    logps: of each id, in nats at T = 1, where they were asked for.
    """

    ids: list[int]
    ended: bool
    logps: list[float] | None = None


@torch.no_grad()
def generate(
    model: PreTrainedModel,
    prompts: list[list[int]],
    *,
    eos: int,
    max_new_tokens: int,
    batch_size: int,
    seed: int | None,
    temperature: float = 1.0,
    top_p: float = 1.0,
    said: Callable[[int, int], None] = lambda done, of: None,
) -> list[Completion]:
    """One completion a prompt, in the prompts' order; `seed` None is greedy, else drawn without top-k.

    prompts: token ids, of any lengths. Batches are made of prompts of like length, so little is padding.
    """
    config = _config(model, eos, max_new_tokens, temperature if seed is not None else None, top_p)
    order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i))
    completions: list[Completion | None] = [None] * len(prompts)
    training = model.training
    model.eval()
    with torch.random.fork_rng():
        if seed is not None:
            torch.manual_seed(seed)
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            rows = _decode_batch(model, [prompts[i] for i in batch], config)
            for i, row in zip(batch, rows, strict=True):
                completions[i] = cut(row, eos)
            said(min(start + batch_size, len(order)), len(order))
    model.train(training)
    return [completion for completion in completions if completion is not None]


def _config(
    model: PreTrainedModel, eos: int, max_new_tokens: int, temperature: float | None, top_p: float
) -> GenerationConfig:
    sampled = temperature is not None
    # every field that a Hub model's own generation_config might bend is stated
    return GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=sampled,
        num_beams=1,
        temperature=temperature if sampled else 1.0,
        top_k=0 if sampled else None,
        top_p=top_p if sampled else 1.0,
        repetition_penalty=1.0,
        pad_token_id=model.config.get_text_config().pad_token_id,
        eos_token_id=eos,
        bos_token_id=None,
        disable_compile=True,
    )


def _decode_batch(
    model: PreTrainedModel, prompts: list[list[int]], config: GenerationConfig
) -> list[list[int]]:
    longest = max(map(len, prompts))
    padding = [longest - len(ids) for ids in prompts]
    pad = config.pad_token_id
    input_ids = torch.tensor(
        [[pad] * n + ids for n, ids in zip(padding, prompts, strict=True)], device=model.device
    )
    mask = torch.tensor(
        [[0] * n + [1] * len(ids) for n, ids in zip(padding, prompts, strict=True)], device=model.device
    )
    output = model.generate(input_ids=input_ids, attention_mask=mask, generation_config=config)
    return output[:, longest:].tolist()


def cut(row: list[int], eos: int) -> Completion:
    """The row up to its first EOS, which stays."""
    if eos in row:
        return Completion(row[: row.index(eos) + 1], ended=True)
    return Completion(row, ended=False)
