"""Pairs mended by how strongly they are preferred: left out, turned round, believed less, or held to a margin.

The remedies of Wang et al. 2024 (arXiv 2401.06080, section 2.3) as columns of the rows, so that any loss can read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from tasks.corpus import pairs

SCHEMA = pa.schema(
    [
        *pairs.SCHEMA,
        ("strength", pa.float64()),  # of chosen over rejected, as they stand here
        ("flipped", pa.bool_()),
        ("smoothing", pa.float64()),  # share of belief in the other order
        ("wanted_margin", pa.float64()),  # in units of reward
    ]
)

Row = dict[str, Any]


def flip(row: Row) -> Row:
    """The pair the other way round, all that belongs to a side with it; twice is once nothing."""
    turned = dict(row)
    for name in ("", "score_", "characters_"):
        chosen, rejected = f"{name}chosen", f"{name}rejected"
        turned[chosen], turned[rejected] = row[rejected], row[chosen]
    for name in ("margin", "strength", "wanted_margin"):
        if row.get(name) is not None:
            turned[name] = -row[name]
    return turned | {"flipped": not row.get("flipped", False)}


def cured(
    rows: Sequence[Row],
    strengths: Sequence[float],
    dropped: Sequence[int],
    turned: Sequence[int],
    smoothed: Sequence[int],
    alpha: float,
    margin: float,
) -> list[Row]:
    """The rows that are left, in their order; `dropped`, `turned` and `smoothed` are places among all rows.

    alpha: smoothing of the smoothed rows, 0 for the others. margin: the wanted margin is so many times the strength.
    """
    out, other, soft, found = set(dropped), set(turned), set(smoothed), []
    for place, (row, strength) in enumerate(zip(rows, strengths, strict=True)):
        if place in out:
            continue
        told = {"strength": float(strength), "flipped": False, "wanted_margin": margin * float(strength)}
        whole = row | told | {"smoothing": alpha if place in soft else 0.0}
        found.append(flip(whole) if place in other else whole)
    return found
