"""The taught family: rows of a prompt and an answer, summaries and judgings of them, learned without a reference."""

from __future__ import annotations

from pathlib import Path

from tasks.engine.families import best
from tasks.engine.fitting import GroupTrainer
from tasks.engine.models import SFT
from tasks.engine.training import Job

START = SFT
TRAIN = "data/taught/{branch}.parquet"
told = best.told


def round_of(train: Path) -> int:
    """0: what a branch is taught before its first round."""
    return 0


def trainer(job: Job) -> GroupTrainer:
    """The trainer of one branch, on its rows."""
    return best.trainer(job)
