"""Prompt groups: a prompt and its completions as ids, and how many of them become one forward pass.

Chosen and rejected, or K samples, share a long prompt. A `shared` plan holds every different prompt once in one flat
stream, with its completions behind it; a `rows` plan holds a right-padded row per completion, as everybody else does.
Both say where the same numbers are found, so what is computed from a plan does not know which one it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedTokenizerBase

from tasks.engine.layout import Layout, Segment
from tasks.engine.text import encode_completion, encode_prompt

Ids = tuple[int, ...]


class Group(NamedTuple):
    """One prompt's ids, its completions' ids (EOS included where they ended), and what its owner knows of it."""

    prompt: Ids
    completions: tuple[Ids, ...]
    meta: Any = None

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, prompt: str, completions: Iterable[str]) -> Group:
        """A rendered prompt with whole completions of it."""
        return cls(
            tuple(encode_prompt(tokenizer, prompt)),
            tuple(tuple(encode_completion(tokenizer, completion)) for completion in completions),
        )

    @property
    def tokens(self) -> int:
        """Tokens in a shared plan."""
        return len(self.prompt) + sum(map(len, self.completions))

    @property
    def longest(self) -> int:
        """Tokens of its longest row."""
        return len(self.prompt) + max(map(len, self.completions), default=0)


@dataclass
class Plan:
    """One forward pass over B sequences of T positions, and where the N completion tokens are in it.

    `places` leads from every completion asked for, group by group, to one of the U different ones.
    """

    input_ids: torch.Tensor  # (B, T)
    forward: dict[str, Any]  # the model's other arguments
    predictors: torch.Tensor  # (N,) into B x T: the position whose logits predict the token
    targets: torch.Tensor  # (N,)
    lengths: list[int]  # of the U completions, N in all
    ends: torch.Tensor  # (U,) into B x T: each completion's last token
    places: torch.Tensor  # (asked,) into U
    row_lengths: torch.Tensor  # (B, T): length of the row that a position belongs to; 0 on padding

    def to(self, device: torch.device) -> Plan:
        """The same on a device."""
        moved = {
            name: value.to(device) if hasattr(value, "to") else value for name, value in vars(self).items()
        }
        forward = {
            name: value.to(device) if hasattr(value, "to") else value for name, value in self.forward.items()
        }
        return Plan(**{**moved, "forward": forward})

    @property
    def owners(self) -> torch.Tensor:
        """(N,): which of the U completions each token belongs to."""
        lengths = torch.tensor(self.lengths, device=self.targets.device)
        return torch.repeat_interleave(lengths, output_size=len(self.targets))


@dataclass
class _Merged:
    """A prompt and its different completions."""

    prompt: Ids
    completions: dict[Ids, int] = field(default_factory=dict)  # -> its number among all completions


def merge(groups: Sequence[Group]) -> tuple[list[_Merged], list[int]]:
    """Equal prompts, and of each its equal completions, once; and the number of every completion asked for."""
    prompts: dict[Ids, _Merged] = {}
    for group in groups:
        merged = prompts.setdefault(group.prompt, _Merged(group.prompt))
        for completion in group.completions:
            merged.completions.setdefault(completion, -1)
    numbers = iter(range(sum(len(merged.completions) for merged in prompts.values())))
    for merged in prompts.values():
        merged.completions = {completion: next(numbers) for completion in merged.completions}
    places = [
        prompts[group.prompt].completions[completion] for group in groups for completion in group.completions
    ]
    return list(prompts.values()), places


def shared(groups: Sequence[Group]) -> Plan:
    """One flat stream (B = 1): each prompt, then its completions, whose positions go on from the prompt's end."""
    merged, places = merge(groups)
    ids: list[int] = []
    positions: list[int] = []
    predictors: list[int] = []
    rows: list[int] = []
    ends: list[int] = []
    segments = []
    for one in merged:
        start, length = len(ids), len(one.prompt)
        segments.append(Segment(length, tuple(map(len, one.completions))))
        ids += one.prompt
        positions += range(length)
        rows += [length + max(map(len, one.completions), default=0)] * length
        for completion in one.completions:
            first = len(ids)
            predictors += [start + length - 1, *range(first, first + len(completion) - 1)]
            ids += completion
            positions += range(length, length + len(completion))
            rows += [length + len(completion)] * len(completion)
            ends.append(len(ids) - 1)
    completions = list(chain.from_iterable(one.completions for one in merged))
    return Plan(
        input_ids=torch.tensor([ids]),
        forward={"position_ids": torch.tensor([positions]), "layout": Layout(segments)},
        predictors=torch.tensor(predictors, dtype=torch.long),
        targets=torch.tensor(list(chain.from_iterable(completions)), dtype=torch.long),
        lengths=list(map(len, completions)),
        ends=torch.tensor(ends, dtype=torch.long),
        places=torch.tensor(places, dtype=torch.long),
        row_lengths=torch.tensor([rows]),
    )


def rows(groups: Sequence[Group], pad: int) -> Plan:
    """A right-padded row a different completion, the prompt in each."""
    merged, places = merge(groups)
    pairs = [(one.prompt, completion) for one in merged for completion in one.completions]
    longest = max(len(prompt) + len(completion) for prompt, completion in pairs)
    filled = [len(prompt) + len(completion) for prompt, completion in pairs]
    ids = [
        [*prompt, *completion, *[pad] * (longest - length)]
        for (prompt, completion), length in zip(pairs, filled, strict=True)
    ]
    mask = torch.arange(longest)[None, :] < torch.tensor(filled)[:, None]
    predictors = [
        row * longest + place
        for row, (prompt, completion) in enumerate(pairs)
        for place in range(len(prompt) - 1, len(prompt) + len(completion) - 1)
    ]
    return Plan(
        input_ids=torch.tensor(ids),
        forward={"attention_mask": mask.long()},
        predictors=torch.tensor(predictors),
        targets=torch.tensor(list(chain.from_iterable(completion for _, completion in pairs))),
        lengths=[len(completion) for _, completion in pairs],
        ends=torch.tensor([row * longest + length - 1 for row, length in enumerate(filled)]),
        places=torch.tensor(places),
        row_lengths=torch.where(mask, torch.tensor(filled)[:, None], 0),
    )


def packed(groups: Sequence[Group], budget: int, *, by_length: bool = False) -> Iterator[list[int]]:
    """Numbers of the groups, a list a pack of at most `budget` tokens (a larger group alone), in order or by length."""
    order: Iterable[int] = range(len(groups))
    if by_length:
        order = sorted(order, key=lambda number: (len(groups[number].prompt), groups[number].tokens, number))
    pack: list[int] = []
    used = 0
    for number in order:
        tokens = groups[number].tokens
        if pack and used + tokens > budget:
            yield pack
            pack, used = [], 0
        pack.append(number)
        used += tokens
    if pack:
        yield pack


def split(values: torch.Tensor, lengths: Sequence[int]) -> list[torch.Tensor]:
    """(N,) cut into a tensor a completion."""
    return list(values.split(list(lengths)))


def starts(lengths: Sequence[int]) -> list[int]:
    """Where each stretch begins, and where the last one ends."""
    return [0, *accumulate(lengths)]
