"""How RLOO's step grows with completions and with the prompt, theirs and ours."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from bench import rloo
from bench.models import Models
from bench.pairing import Result

COMPLETIONS = (512, (2, 4, 8, 16))  # P, and K along the curve
PROMPT = (4, (128, 256, 512, 1024, 2048))  # K, and P along the curve


def run(models: Models, rounds: int, said: Callable[[Result], None]) -> None:
    """Nothing; every point is told as it is done, with its growth since the curve's first.

    Completions all have their full length here, as a curve of a few random lengths would be one of chance.
    """
    models = Models(models.folder / "growth", ending=False)
    prompt, numbers = COMPLETIONS
    _curve("growth in K", models, [(prompt, number) for number in numbers], rounds, said)
    completions, lengths = PROMPT
    _curve("growth in P", models, [(length, completions) for length in lengths], rounds, said)


def _curve(
    name: str,
    models: Models,
    points: list[tuple[int, int]],
    rounds: int,
    said: Callable[[Result], None],
) -> None:
    first: Result | None = None
    for prompt, completions in points:
        told = f"{name}: RLOO step, P {prompt}, K {completions}, 1 prompt"
        result = rloo.case(models, told, prompt, completions, 1, None, rounds, best=True)
        first = first or result
        theirs, ours = (
            median(getattr(result.timing, side)) / median(getattr(first.timing, side))
            for side in ("theirs", "ours")
        )
        result.note = f"TRL x{theirs:.1f}, ours x{ours:.1f} since the first; {result.note}"
        said(result)
