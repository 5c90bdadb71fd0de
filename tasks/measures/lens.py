"""What the votes on strength say of a set of preferences: the numbers behind the report's preference lens.

Legend of shapes: P pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tasks.measures.strength import AMBIGUOUS, INCORRECT, NORMAL, Audit, Votes, classes, deciles

BINS, EDGE = (
    24,
    3.0,
)  # of the histogram: root mean squares of a member's differences, all beyond in the last bins


def lens(given: Votes, audit: Audit, columns_P: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Histogram, shares by class, and by tenth of strength the means of the columns that are known of every pair.

    A tenth's `right` is the share of labels that had not been turned, by the votes of the audit's own members.
    """
    means = given.mean_P
    counts, edges = np.histogram(np.clip(means, -EDGE, EDGE), BINS, (-EDGE, EDGE))
    named = classes(means)
    known = {name: values for name, values in columns_P.items() if np.isfinite(values).all()}
    return {
        "pairs": len(means),
        "voters": [int(given.count_P.min()), int(given.count_P.max())],
        "below_zero": float((means < 0).mean()),
        "spread": float(given.spread_P.mean()),
        "classes": {name: named.count(name) / len(named) for name in (INCORRECT, AMBIGUOUS, NORMAL)},
        "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
        "audit": {"recall": audit.recall, "planted": audit.planted},
        "deciles": {
            "strength": list(deciles(means, means)),
            "spread": list(deciles(means, given.spread_P)),
            "right": list(audit.deciles),
            **{name: list(deciles(means, values)) for name, values in sorted(known.items())},
        },
    }
