"""Stage cured: fold A's pairs as one branch's cure leaves them: dropped, turned round, smoothed, held to a margin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks import whole
from tasks.corpus.pairs import told
from tasks.engine import models
from tasks.measures import cures
from tasks.measures.strength import TRUSTED, bands
from tasks.refusal import Refusal
from tasks.sections.strength import Cure

PAIRS = Path("data/pairs/a.parquet")


def run(branch: str, entry: Any) -> dict[str, float | int | str]:
    """How many pairs were dropped, turned and smoothed, and how many labels the judge had otherwise: turned, in all."""
    cure: Cure = entry.cure
    rows, strengths = pq.read_table(PAIRS).to_pylist(), _strengths(cure.strength)
    if [row["id"] for row in rows] != [name for name, _ in strengths]:
        place = f"data/strength-{cure.strength}.parquet"
        raise Refusal(
            place, "is of other pairs than data/pairs/a.parquet", f"dvc repro strength@{cure.strength}"
        )
    recall = _recall(branch, cure)
    numbers = np.array([number for _, number in strengths])
    dropped, turned, smoothed, _ = bands(numbers, [cure.drop, cure.flip, cure.smooth])
    left = cures.cured(
        rows,
        numbers.tolist(),
        dropped.tolist(),
        turned.tolist(),
        smoothed.tolist(),
        cure.alpha,
        cure.margin,
    )
    if not left:
        place, cause = f"branches.cured.{branch}", f"no pair is left of {len(rows)}"
        raise Refusal(place, cause, "lower its cure's drop")
    out = Path(f"data/cured/{branch}.parquet")
    whole.table(out, pa.Table.from_pylist(left, schema=cures.SCHEMA))
    return {
        "data_sha256": models.file_sha256(out),
        "pairs_sha256": models.file_sha256(PAIRS),
        "rows": len(left),
        "dropped": len(dropped),
        "flipped": len(turned),
        "smoothed": len(smoothed),
        "flipped_against_judge": sum(row["flipped"] and (row["margin"] or 0.0) < 0 for row in left),
        "against_judge": sum((row["margin"] or 0.0) < 0 for row in left),
        "audit_recall": round(recall, 6),
        **told(left),
    }


def _strengths(vote: str) -> list[tuple[str, float]]:
    table = pq.read_table(f"data/strength-{vote}.parquet", columns=["id", "strength"])
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _recall(branch: str, cure: Cure) -> float:
    """The vote's recall of planted flips, or a Refusal where flips are wanted of a vote that does not find them."""
    path = Path(f"reports/strength/{cure.strength}.json")
    recall = json.loads(path.read_text(encoding="utf-8"))["audit"]["recall"]
    if cure.flip and not cure.flip_anyway and recall <= TRUSTED:
        raise Refusal(
            f"branches.cured.{branch}.cure.flip",
            f"the vote {cure.strength} finds {recall:.0%} of the labels that were turned on purpose, "
            "and at one half a flip breaks as many labels as it mends",
            "drop or smooth these pairs, train better members (the block reward), or say flip_anyway",
        )
    return recall
