"""What a round of iterated training learns from candidates that were scored: pairs, or the best of them alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from tasks.corpus import pairs

MODEL, ROUND = (
    b"gallim.model_sha256",
    b"gallim.round",
)  # metadata of a round's rows: whose answers, which round
POSITIVES = pa.schema(
    [("id", pa.string()), ("prompt", pa.string()), ("completion", pa.string()), ("score", pa.float64())]
)


class Candidate(NamedTuple):
    """One text and its score; None where nothing of its judging could be read."""

    text: str
    score: float | None


class Asked(NamedTuple):
    """A document, its rendered prompt, and its candidates, each different text once."""

    id: str
    prompt: str
    candidates: Sequence[Candidate]


def paired(
    every: Sequence[Asked], judge: str, max_length_gap: float | None
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """At most one row a prompt (columns of corpus.pairs.SCHEMA), and the counts of what gave none.

    Chosen is the candidate of the highest score and rejected that of the lowest, the first of equals; where both have
    one score there is no row (Yuan et al. 2024, arXiv 2401.10020, section 2.3). max_length_gap: the most by which the
    lengths of the two may differ, as a share of the longer one.
    """
    rows, dropped = [], Counter(tied=0, without_two=0, lengths_apart=0)
    for one in every:
        known = [(each.score, each.text) for each in one.candidates if each.score is not None]
        if len(known) < 2:
            dropped["without_two"] += 1
            continue
        best = max(known, key=lambda each: each[0])
        worst = min(known, key=lambda each: each[0])
        if best[0] == worst[0]:
            dropped["tied"] += 1
            continue
        lengths = len(best[1]), len(worst[1])
        if max_length_gap is not None and max(lengths) - min(lengths) > max_length_gap * max(lengths):
            dropped["lengths_apart"] += 1
            continue
        scored = ((text, score) for score, text in (best, worst))
        rows.append(
            {"id": one.id, "prompt": one.prompt, "gold": None, "judge": judge, **pairs.sides(*scored)}
        )
    return rows, dropped


def positives(every: Sequence[Asked], least: float) -> tuple[list[dict[str, Any]], Counter[str]]:
    """A row (columns of POSITIVES) for each candidate that scores `least` or more, and the count of prompts without."""
    rows, dropped = [], Counter(without_positive=0)
    for one in every:
        good = [each for each in one.candidates if each.score is not None and each.score >= least]
        dropped["without_positive"] += not good
        rows += [
            {"id": one.id, "prompt": one.prompt, "completion": each.text, "score": each.score}
            for each in good
        ]
    return rows, dropped
