"""The best family: one summary a prompt, the best of several of models/sft's own, learned without a reference."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
from transformers import PreTrainedTokenizerBase

from tasks.engine.fitting import Given, GroupTrainer, Losses, aligning
from tasks.engine.groups import Group
from tasks.engine.models import SFT
from tasks.engine.scoring import Scorer
from tasks.engine.training import Job

START = SFT
TRAIN = "data/best/{branch}.parquet"


class Imitation(Given):
    """A method's loss of the best summary of each prompt."""

    def __init__(self, method: ModuleType):
        self._method = method

    def items(self, group: Group) -> int:
        return 1

    def losses(self, scorer: Scorer, pack: Sequence[Group]) -> Losses:
        scores = scorer.score(pack)
        logps = scores.sums()
        numbers = {"logps/best": logps.detach(), "completions/mean_length": scores.tokens().float()}
        return Losses(self._method.loss(logps), numbers)


def groups(tokenizer: PreTrainedTokenizerBase, rows: Sequence[dict[str, Any]]) -> list[Group]:
    """One group a row: its prompt and its completion, which ends with EOS."""
    return [Group.of(tokenizer, row["prompt"], [row["completion"]]) for row in rows]


def trainer(job: Job) -> GroupTrainer:
    """The trainer of one branch, on the best summaries."""
    return aligning(job, Imitation(job.method), groups(job.tokenizer, pq.read_table(job.train).to_pylist()))


def told(curve: list[dict[str, float]]) -> dict[str, float | bool]:
    """What the curve says of this family: how much likelier the best summaries became."""
    return {"best_logp_change_nats": round(curve[-1]["logps/best"] - curve[0]["logps/best"], 6)}
