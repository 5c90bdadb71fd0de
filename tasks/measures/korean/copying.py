"""How much of a summary stands in its document word for word."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasks.measures.korean.units import morphemes


def fragments(summary: Sequence[str], document: Sequence[str]) -> list[int]:
    """Lengths of the extractive fragments, greedy from the left (Grusky et al. 2018, arXiv 1804.11283, figure 2).

    At each place of the summary the longest run that the document holds, too; where it holds none, one token is passed.
    """
    longest = _longest_runs(summary, document)
    found, start = [], 0
    while start < len(summary):
        found += [longest[start]] if longest[start] else []
        start += max(1, longest[start])
    return found


def _longest_runs(summary: Sequence[str], document: Sequence[str]) -> list[int]:
    """For each place of the summary how many tokens from there on stand somewhere in the document in one run."""
    numbers = {token: number for number, token in enumerate(dict.fromkeys(document))}
    tokens_D = np.array([numbers[token] for token in document], dtype=int)  # D tokens of the document
    runs_D1 = np.zeros(
        len(document) + 1, dtype=int
    )  # that start at the next place of the summary, by their own
    longest = []
    for token in reversed(summary):
        runs_D1[:-1] = np.where(tokens_D == numbers.get(token, -1), runs_D1[1:] + 1, 0)
        longest.append(int(runs_D1.max()))
    return longest[::-1]


def copying(summary: str, document: str) -> dict[str, float]:
    """Coverage, 0 to 1, and density, 0 to the summary's length, over Kiwi's morphemes (equations 1 and 2 there).

    Coverage is the share of morphemes that stand in some fragment, density the mean length of the fragment that a
    morpheme stands in, 0 for those in none. An empty summary copies nothing: both are 0.
    """
    tokens = morphemes(summary)
    lengths = fragments(tokens, morphemes(document))
    size = max(1, len(tokens))
    return {
        "extractive_coverage": sum(lengths) / size,
        "extractive_density": sum(length**2 for length in lengths) / size,
    }
