"""The iterated family: M_t goes on to M_{t+1}, on what was made of its own answers, and M_t is the reference.

data/iterated/<branch>/<seed>.parquet says in its metadata of which model's answers it is, so it changes with that
model, and a training that starts elsewhere is refused.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from tasks.corpus.candidates import MODEL, ROUND
from tasks.engine.families import best, pairs
from tasks.engine.fitting import GroupTrainer
from tasks.engine.models import SFT, verified_manifest
from tasks.engine.training import Job
from tasks.refusal import Refusal
from tasks.settings import Branch

TRAIN = "data/iterated/{branch}/{seed}.parquet"


def start(entry: Branch, seed: int, branch: str) -> Path:
    """M_t: the model that the entry's `after` names, of the same seed; a Refusal where the rows are of another's."""
    after = entry.after  # pyright: ignore[reportAttributeAccessIssue]
    found = SFT if after == SFT.name else Path(f"models/{after}-{seed}")
    _require_own(Path(TRAIN.format(branch=branch, seed=seed)), found)
    return found


def round_of(train: Path) -> int:
    """t of M_t, 1 in the first round."""
    return int(pq.read_schema(train).metadata[ROUND])


def trainer(job: Job) -> GroupTrainer:
    """The trainer of one branch: pairs against M_t, or the positives alone."""
    if job.method.FAMILY == "taught":
        return best.trainer(job)
    return pairs.trainer(job, refer=partial(pairs.with_own_reference, start=job.start))


def told(curve: list[dict[str, float]]) -> dict[str, float | bool]:
    """What the curve says, as the family of the method tells it."""
    return (best if "logps/best" in curve[0] else pairs).told(curve)


def _require_own(train: Path, start: Path) -> None:
    """Nothing, or a Refusal where the rows are of another model's answers."""
    of = pq.read_schema(train).metadata[MODEL].decode()
    if of != verified_manifest(start)["weights_sha256"]:
        raise Refusal(
            str(train),
            f"is of another model's answers than {start}",
            f"run `dvc repro collect@{train.parent.name}`",
        )
