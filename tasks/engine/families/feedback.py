"""The feedback family: methods of pairs, trained on what a teacher preferred of several sources' answers.

The stage `references` knows fold A's pairs alone, so the reference's log-probabilities are computed for each training.
"""

from __future__ import annotations

from tasks.engine.families import pairs
from tasks.engine.fitting import GroupTrainer
from tasks.engine.models import SFT
from tasks.engine.training import Job

START = SFT
TRAIN = "data/feedback/{branch}.parquet"
told = pairs.told


def trainer(job: Job) -> GroupTrainer:
    """The trainer of one branch."""
    return pairs.trainer(job, refer=pairs.with_own_reference)
