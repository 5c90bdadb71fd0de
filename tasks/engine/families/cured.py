"""The cured family: methods of pairs on fold A's pairs, mended by how strongly reward models prefer each.

A row brings its own smoothing and its own margin. The reference's cache knows both sides of a turned pair already.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple

import pyarrow.parquet as pq
import torch

from tasks.engine.families import pairs
from tasks.engine.families.pairs import Preferences
from tasks.engine.fitting import GroupTrainer, Losses, aligning
from tasks.engine.groups import Group
from tasks.engine.models import SFT
from tasks.engine.ranking import mended
from tasks.engine.scoring import Scorer
from tasks.engine.training import Job
from tasks.settings import Branch

START = SFT
TRAIN = "data/cured/{branch}.parquet"
told = pairs.told


class Label(NamedTuple):
    """What is known of a pair: the reference's log-probabilities, its margin in units of reward, its smoothing."""

    reference: pairs.Known | None
    margin: float
    smoothing: float


class Mended(Preferences):
    """A method's loss of every pair, as far as its label is believed, and beyond its margin."""

    def losses(self, scorer: Scorer, pack: Sequence[Group]) -> Losses:
        bare = [group._replace(meta=group.meta.reference) for group in pack]
        known, numbers = self.known(scorer, bare)
        device = known["chosen_logps"].device
        margin, smoothing = (
            torch.tensor([getattr(group.meta, name) for group in pack], device=device)
            for name in ("margin", "smoothing")
        )
        beta = self._entry.beta if self.needs_reference and hasattr(self._entry, "beta") else None
        return Losses(mended(self.loss, known, margin, smoothing, beta), numbers)


def trainer(job: Job) -> GroupTrainer:
    """The trainer of one branch, on its cured pairs."""
    rows = pq.read_table(job.train).to_pylist()
    data, objective = pairs.groups(job.tokenizer, rows), Mended(job.method, job.entry)
    if objective.needs_reference:
        data = pairs.with_reference(data, job.compute, job.journal)
    labelled = [
        group._replace(meta=Label(group.meta, row["wanted_margin"], row["smoothing"]))
        for group, row in zip(data, rows, strict=True)
    ]
    return aligning(job, objective, labelled)


def identity(method: ModuleType, entry: Branch) -> dict[str, float]:
    """What the first step logs: the method's own identity, but for the loss, which a margin or a smoothing moves."""
    return {name: value for name, value in method.identity(entry).items() if name != "loss"}
