"""Prompts and pairs at random, in ids."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from bench.models import EOS, FIRST_WORD, VOCABULARY
from bench.pairing import Tokens
from tasks.engine import groups
from tasks.engine.groups import Group, Ids

PROMPT, PROMPT_SPREAD, PROMPT_RANGE = 400, 0.4, (100, 1500)  # median and sigma of a lognormal: mean about 430
COMPLETION, COMPLETION_SPREAD, COMPLETION_RANGE = 43, 0.3, (8, 120)  # mean about 45


def prompts(count: int, length: int, seed: int) -> list[Ids]:
    """Different prompts of one length."""
    random = np.random.default_rng(seed)
    return [_words(random, length) for _ in range(count)]


def pairs(count: int, prompt: int, completion: int, seed: int) -> list[Group]:
    """Pairs of one prompt length and one completion length, EOS included."""
    random = np.random.default_rng(seed)
    return [
        Group(_words(random, prompt), (_ended(random, completion), _ended(random, completion)))
        for _ in range(count)
    ]


def mixed_pairs(count: int, seed: int) -> list[Group]:
    """Pairs of summarization's lengths."""
    random = np.random.default_rng(seed)

    def length(median: float, spread: float, within: tuple[int, int]) -> int:
        return int(np.clip(round(random.lognormal(np.log(median), spread)), *within))

    return [
        Group(
            _words(random, length(PROMPT, PROMPT_SPREAD, PROMPT_RANGE)),
            (
                _ended(random, length(COMPLETION, COMPLETION_SPREAD, COMPLETION_RANGE)),
                _ended(random, length(COMPLETION, COMPLETION_SPREAD, COMPLETION_RANGE)),
            ),
        )
        for _ in range(count)
    ]


def all_pairs(prompt: int, completion: int, completions: int, seed: int) -> list[Group]:
    """Every pair of one prompt's completions."""
    random = np.random.default_rng(seed)
    one = _words(random, prompt)
    answers = [_ended(random, completion) for _ in range(completions)]
    return [Group(one, both) for both in combinations(answers, 2)]


def tokens(batch: Sequence[Group], *, parts: int = 1, apart: bool = False) -> Tokens:
    """Of one pass over the batch, theirs in `parts`; `apart` pads prompts and completions each to their longest."""
    merged, _ = groups.merge(batch)
    size = -(-len(batch) // parts)
    return Tokens(
        sum(count * length for count, length in padded(batch, size, apart=apart)),
        sum(len(group.prompt) + len(one) for group in batch for one in group.completions),
        sum(len(one.prompt) + sum(map(len, one.completions)) for one in merged),
    )


def padded(batch: Sequence[Group], size: int, *, apart: bool = False) -> list[tuple[int, int]]:
    """Rows and length of each of the peer's passes, `size` groups a pass."""
    shapes = []
    for start in range(0, len(batch), size):
        part = batch[start : start + size]
        rows = [(len(group.prompt), len(one)) for group in part for one in group.completions]
        longest = max(map(sum, rows))
        if apart:
            longest = max(prompt for prompt, _ in rows) + max(completion for _, completion in rows)
        shapes.append((len(rows), longest))
    return shapes


def _words(random: np.random.Generator, length: int) -> Ids:
    return tuple(random.integers(FIRST_WORD, VOCABULARY, length).tolist())


def _ended(random: np.random.Generator, length: int) -> Ids:
    return (*_words(random, length - 1), EOS)
