"""The comparison that DVC holds, and its evaluations' runs in MLflow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.ledger import held
from tasks.ledger.scratch import digest

if TYPE_CHECKING:
    from mlflow.entities import Run

FILE, EVALUATIONS = Path("reports/comparison.json"), Path("reports/evaluation")
STAGE = "compare"
NEEDED = {
    "headline",
    "prompts",
    "seeds",
    "branches",
    "differences",
    "hashes",
}  # an old comparison may lack some


@dataclass(frozen=True)
class Compared:
    """reports/comparison.json; `runs` is by model (`sft`, `dpo-0`), without those that are deleted in MLflow."""

    found: dict[str, Any]
    key: str  # 12 hex digits that name it
    runs: dict[str, Run]

    @property
    def branches(self) -> dict[str, dict[str, Any]]:
        """What the comparison says that each branch was given."""
        return {branch["name"]: branch for branch in self.found["branches"]}


def read(runs: Mapping[str, Run]) -> Compared | None:
    """The comparison; None unless it and the evaluations that it was made from are here as dvc.lock has them.

    runs: by record.
    """
    lock = held.Lock()
    if STAGE not in lock.stages or not lock.is_here(STAGE, (FILE.parent,)):
        return None
    if not FILE.exists() or not lock.is_as_read(STAGE, EVALUATIONS):
        return None
    found = json.loads(FILE.read_text(encoding="utf-8"))
    if not found.keys() >= NEEDED:
        return None
    known = {model: runs.get(f"evaluate-{model}") for model in found["hashes"]["models"]}
    there = {model: one for model, one in known.items() if one and one.info.lifecycle_stage == "active"}
    return Compared(found, digest(FILE)[:12], there)
