"""Floating-point operations of a step, by the shapes alone: what sharing can give at most.

A multiplication and its addition are two. A backward pass is two forward passes, checkpointing one more.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.batches import padded
from bench.models import HIDDEN, INTERMEDIATE, LAYERS, VOCABULARY
from tasks.engine import groups
from tasks.engine.groups import Group

WEIGHTS = LAYERS * (4 * HIDDEN**2 + 3 * HIDDEN * INTERMEDIATE)
UPDATE = 3  # forward passes' worth


def their_pairs(batch: Sequence[Group], *, best: bool, parts: int = 1) -> float:
    """TRL's DPO step: an update, and by default the reference's pass and a recomputation."""
    return _rows(batch, -(-len(batch) // parts)) * (UPDATE if best else UPDATE + 2)


def our_pairs(batch: Sequence[Group]) -> float:
    """Our DPO step."""
    return _shared(batch) * UPDATE


def their_rollout(batch: Sequence[Group], *, best: bool) -> float:
    """TRL's RLOO step: sampling, the policy's old pass, reference, reward, update."""
    scored = _rows(batch, len(batch), apart=True)
    reward = _rows(batch, len(batch), apart=True, head=False)
    return their_sampling(batch) + reward + scored * (2 + (UPDATE if best else UPDATE + 1))


def our_rollout(batch: Sequence[Group]) -> float:
    """Ours: sampling, reference, reward, update."""
    return our_sampling(batch) + _shared(batch, head=False) + _shared(batch) * (1 + UPDATE)


def their_sampling(batch: Sequence[Group]) -> float:
    """Every row with its prompt, and decoded until the last one has ended."""
    rows = sum(len(group.completions) for group in batch)
    prompt = max(len(group.prompt) for group in batch)
    most = max(len(one) for group in batch for one in group.completions)
    decoded = sum(_decode(prompt, step) for step in range(1, most))
    return rows * (_pass(prompt, prompt * (prompt + 1) / 2, 1) + decoded)


def our_sampling(batch: Sequence[Group]) -> float:
    """Every prompt once, every row until it has ended."""
    total = 0.0
    for group in batch:
        prompt = len(group.prompt)
        total += _pass(prompt, prompt * (prompt + 1) / 2, 1)
        total += sum(_decode(prompt, step) for one in group.completions for step in range(1, len(one)))
    return total


def _decode(prompt: int, step: int) -> float:
    return _pass(1, prompt + step, 1)


def _rows(batch: Sequence[Group], size: int, *, apart: bool = False, head: bool = True) -> float:
    """One forward pass over padded rows, `size` groups at a time, the head on completions alone."""
    scored = sum(len(one) for group in batch for one in group.completions)
    body = sum(
        rows * _pass(length, length * (length + 1) / 2, 0)
        for rows, length in padded(batch, size, apart=apart)
    )
    return body + (_head(scored) if head else 0)


def _shared(batch: Sequence[Group], *, head: bool = True) -> float:
    """One forward pass over every different prompt and completion once."""
    total = 0.0
    for one in groups.merge(batch)[0]:
        prompt, lengths = len(one.prompt), [len(completion) for completion in one.completions]
        seen = prompt * (prompt + 1) / 2 + sum(
            length * prompt + length * (length + 1) / 2 for length in lengths
        )
        total += _pass(prompt + sum(lengths), seen, sum(lengths) if head else 0)
    return total


def _pass(tokens: float, seen: float, scored: int) -> float:
    """Of `tokens` that see `seen` keys in all, `scored` of which pass through the head."""
    return 2 * WEIGHTS * tokens + 4 * HIDDEN * LAYERS * seen + _head(scored)


def _head(scored: int) -> float:
    return 2.0 * HIDDEN * VOCABULARY * scored
