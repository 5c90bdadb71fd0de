"""The comparison and the trainings' curves as CSV tables that `dvc plots` draws; dvc.yaml says how."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.measures.evaluations import SFT

LOSS = "loss"  # what dvc.yaml draws of a curve; of all names in it, every trainer has this one
Rows = Sequence[Mapping[str, Any]]


def tables(found: Mapping[str, Any], curves: Mapping[str, Rows]) -> dict[str, str]:
    """File name -> CSV: scores.csv, frontier.csv and curves/<record>.csv.

    found: comparison.json; curves: the lines of every record that trained. Without a loss it has no table.
    """
    drawn = {
        f"curves/{record}.csv": lines for record, lines in curves.items() if any(LOSS in one for one in lines)
    }
    every = {"scores.csv": scores(found), "frontier.csv": frontier(found), **drawn}
    return {name: _csv(rows) for name, rows in every.items()}


def scores(found: Mapping[str, Any]) -> Rows:
    """The headline's mean of greedy texts with its interval, a row a model."""
    headline = found["headline"]
    return [
        {
            "model": name,
            "headline": row[headline]["mean"],
            "low": row[headline]["low"],
            "high": row[headline]["high"],
        }
        for name, row in found["scores"]["greedy"].items()
    ]


def frontier(found: Mapping[str, Any]) -> Rows:
    """Headline and reward of sampled texts by KL, a row a model, and SFT's best of n by a bound of its KL."""
    headline = found["headline"]
    points = [
        {
            "branch": point["branch"],
            "model": SFT if point["seed"] is None else f"{point['branch']}-{point['seed']}",
            "kl": point["kl"],
            "headline": point[headline],
            "reward": point["reward"],
        }
        for point in found["frontier"]["ends"]
    ]
    line = [
        {
            "branch": f"best of n of {SFT}",
            "model": f"best of {point['n']}",
            "kl": point["kl_bound"],
            "headline": point[headline]["mean"],
            "reward": point["reward"]["mean"],
        }
        for point in found["best_of"]
    ]
    return [*points, *line]


def _csv(rows: Rows) -> str:
    """The rows under the names of all of them; what a row lacks, or has as null, is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(
        text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
