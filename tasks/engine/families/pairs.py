"""The pairs family: chosen and rejected of fold A, against the reference's cached log-probabilities."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pyarrow.parquet as pq
import torch
from transformers import PreTrainedTokenizerBase

from tasks.engine.fitting import Given, GroupTrainer, Losses, aligning
from tasks.engine.groups import Group
from tasks.engine.journal import Journal
from tasks.engine.models import SFT, load_policy, verified_manifest
from tasks.engine.references import References, Unusable
from tasks.engine.scoring import Scorer
from tasks.engine.training import Job
from tasks.settings import Branch, Compute

START = SFT
TRAIN = "data/pairs/a.parquet"
REFERENCES = Path("data/references/a.safetensors")


class Known(NamedTuple):
    """The reference's log-probabilities of chosen and rejected, in nats a sequence."""

    chosen: float
    rejected: float


def groups(tokenizer: PreTrainedTokenizerBase, pairs: Sequence[dict[str, str]]) -> list[Group]:
    """One group a pair: its chosen and its rejected completion, in this order; both end with EOS."""
    return [Group.of(tokenizer, pair["prompt"], (pair["chosen"], pair["rejected"])) for pair in pairs]


class Preferences(Given):
    """A method's loss of every pair; it is given what its signature asks for, each a tensor of shape (pairs,).

    chosen_logps, rejected_logps (with gradient) and their *_reference_logps in nats a sequence; *_tokens.
    """

    def __init__(self, method: ModuleType, entry: Branch):
        self._method, self._entry = method, entry
        self._asked = inspect.signature(method.loss).parameters

    @property
    def needs_reference(self) -> bool:
        return any("reference" in name for name in self._asked)

    def items(self, group: Group) -> int:
        return 1

    def losses(self, scorer: Scorer, pack: Sequence[Group]) -> Losses:
        known, numbers = self.known(scorer, pack)
        return Losses(self.loss(known), numbers)

    def loss(self, known: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """(pairs,): the method's own loss, of what it asks for among these numbers."""
        return self._method.loss(
            self._entry, **{name: known[name] for name in self._asked if name != "config"}
        )

    def known(
        self, scorer: Scorer, pack: Sequence[Group]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """All that a method may ask for, with gradient, and numbers for the log."""
        scores = scorer.score(pack)
        chosen, rejected = scores.sums().unflatten(0, (-1, 2)).unbind(1)
        chosen_tokens, rejected_tokens = scores.tokens().unflatten(0, (-1, 2)).unbind(1)
        known = {
            "chosen_logps": chosen,
            "rejected_logps": rejected,
            "chosen_tokens": chosen_tokens,
            "rejected_tokens": rejected_tokens,
        }
        numbers = {"logps/chosen": chosen.detach(), "logps/rejected": rejected.detach()}
        if self.needs_reference:
            reference = torch.tensor([group.meta for group in pack], device=chosen.device)
            known["chosen_reference_logps"], known["rejected_reference_logps"] = reference.unbind(1)
            ratios = torch.stack([chosen, rejected]).detach() - reference.T
            numbers |= _rewards(getattr(self._entry, "beta", 1.0) * ratios)
        return known, numbers


def with_reference(data: Sequence[Group], compute: Compute, journal: Journal) -> list[Group]:
    """The same groups with what the reference makes of them: from the cache, or anew where it cannot be used."""
    weights = verified_manifest(SFT).get("weights_sha256")
    try:
        logps = References.load(REFERENCES, weights, compute).sums(data)
    except Unusable as cause:
        journal.say(
            f"warning: the reference cache is not used: {cause}; computing it for this training alone"
        )
        return with_own_reference(data, compute, journal)
    return _known(data, logps)


def with_own_reference(
    data: Sequence[Group], compute: Compute, journal: Journal, start: Path = SFT
) -> list[Group]:
    """The same, computed for this training alone; the reference is where it starts."""
    scorer = Scorer(load_policy(start, compute), said=journal.say)
    weights = str(verified_manifest(start).get("weights_sha256"))
    return _known(data, References.compute(scorer, data, weights, compute).sums(data))


def _known(data: Sequence[Group], logps: Sequence[float]) -> list[Group]:
    return [group._replace(meta=Known(*logps[2 * n : 2 * n + 2])) for n, group in enumerate(data)]


def _rewards(rewards: torch.Tensor) -> dict[str, torch.Tensor]:
    """beta times the log-ratios of (chosen, rejected), by the names that the field's trainers log; a tie is no win."""
    chosen, rejected = rewards
    return {
        "rewards/chosen": chosen,
        "rewards/rejected": rejected,
        "rewards/margins": chosen - rejected,
        "rewards/accuracies": (chosen > rejected).float(),
    }


def trainer(
    job: Job, refer: Callable[[Sequence[Group], Compute, Journal], list[Group]] = with_reference
) -> GroupTrainer:
    """The trainer of one branch, on its pairs, to which `refer` brings the reference's numbers."""
    data = groups(job.tokenizer, pq.read_table(job.train).to_pylist())
    objective = Preferences(job.method, job.entry)
    if objective.needs_reference:
        data = refer(data, job.compute, job.journal)
    return aligning(job, objective, data)


def told(curve: list[dict[str, float]]) -> dict[str, float | bool]:
    """What the curve says of this family's known failure: the likelihood of the chosen summaries falling."""
    start, end = curve[0], curve[-1]
    moved = end["logps/chosen"] - start["logps/chosen"]
    rewards = {}
    if "rewards/chosen" in end:
        rewards = {
            "likelihood_displacement": moved < 0 and end["rewards/chosen"] < 0,
            "train_margin": round(end["rewards/margins"], 6),
        }
    return {"chosen_logp_change_nats": round(moved, 6), **rewards}
