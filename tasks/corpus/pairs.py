"""A preference row: its columns in data/pairs and data/feedback, and what many of them say of margin and length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("prompt", pa.string()),
        ("chosen", pa.string()),
        ("rejected", pa.string()),
        ("score_chosen", pa.float64()),
        ("score_rejected", pa.float64()),
        ("margin", pa.float64()),
        ("characters_chosen", pa.int64()),
        ("characters_rejected", pa.int64()),
        ("gold", pa.string()),
        ("judge", pa.string()),
    ]
)
NOISY = SCHEMA.append(pa.field("planted", pa.bool_()))  # whether this label was turned on purpose


def sides(chosen: tuple[str, float], rejected: tuple[str, float]) -> dict[str, Any]:
    """The columns that follow from two texts and their scores."""
    return {
        "chosen": chosen[0],
        "rejected": rejected[0],
        "score_chosen": chosen[1],
        "score_rejected": rejected[1],
        "margin": chosen[1] - rejected[1],
        "characters_chosen": len(chosen[0]),
        "characters_rejected": len(rejected[0]),
    }


def told(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Margin, lengths, and the correlation of preference with length (0.5 of `longer_chosen_share` is none)."""
    if not rows:
        return {}
    gaps = np.array([row["characters_chosen"] - row["characters_rejected"] for row in rows], dtype=float)
    margins = np.array([row["margin"] if row["margin"] is not None else np.nan for row in rows])
    numbers = {
        "longer_chosen_share": float(((gaps > 0) + 0.5 * (gaps == 0)).mean()),
        "mean_characters_chosen": float(np.mean([row["characters_chosen"] for row in rows])),
        "mean_characters_rejected": float(np.mean([row["characters_rejected"] for row in rows])),
    }
    if not np.isnan(margins).any():
        numbers["mean_margin"] = float(margins.mean())
        spread = gaps.std() * margins.std()
        covariance = ((gaps - gaps.mean()) * (margins - margins.mean())).mean()
        numbers["length_margin_correlation"] = float(covariance / spread) if spread > 0 else 0.0
    return {name: round(number, 6) for name, number in numbers.items()}
