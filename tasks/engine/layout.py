"""Where prompts and completions are in a flat stream, and what each token sees of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, NamedTuple

import torch


class Segment(NamedTuple):
    """A prompt's length and the lengths of the completions behind it, in tokens."""

    prompt: int
    completions: tuple[int, ...]

    @property
    def length(self) -> int:
        return self.prompt + sum(self.completions)


class Streams(NamedTuple):
    """S sequences: queries as they stand in the stream, keys by index; causal from the bottom right."""

    keys: torch.Tensor  # into the stream
    query_starts: torch.Tensor  # (S + 1,) int32
    key_starts: torch.Tensor  # (S + 1,) int32
    longest_query: int
    longest_key: int


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
        return self.once("coordinates", lambda: coordinates_of(self.segments).to(self.device))

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` gives, made in the first layer that asks."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def _completion_mask(self, segment: Segment, window: int | None) -> torch.Tensor:
        _, completion, position = coordinates_of([segment])
        query = slice(segment.prompt, None)
        return visible(completion[query, None], completion, position[query, None], position, window).to(
            self.device
        )

    def _prompt_mask(self, length: int, window: int) -> torch.Tensor:
        position = torch.arange(length, device=self.device)
        distance = position[:, None] - position
        return (distance >= 0) & (distance < window)


def visible(
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


def coordinates_of(segments: list[Segment]) -> torch.Tensor:
    group, completion, position = [], [], []
    for number, segment in enumerate(segments):
        group += [number] * segment.length
        completion += [0] * segment.prompt
        position += range(segment.prompt)
        for place, length in enumerate(segment.completions, start=1):
            completion += [place] * length
            position += range(segment.prompt, segment.prompt + length)
    return torch.tensor([group, completion, position])


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
