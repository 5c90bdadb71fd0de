"""The unpaired family: single summaries that were found good or bad, against the reference's log-probabilities.

A step takes one rated summary of each of its prompts. The divergence of the policy is measured on summaries of other
documents: each rated row has one, taken from the next prompt of a seeded circle.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import torch
from transformers import PreTrainedTokenizerBase

from tasks.engine.fitting import GroupTrainer, Losses, Memoryless, aligning
from tasks.engine.groups import Group, Ids, packed
from tasks.engine.journal import Journal
from tasks.engine.models import SFT, load_policy, verified_manifest
from tasks.engine.references import References
from tasks.engine.sampling import seeded
from tasks.engine.scoring import Scorer
from tasks.engine.text import encode_completion, encode_prompt
from tasks.engine.training import Job
from tasks.refusal import Refusal
from tasks.settings import Branch, Compute

START = SFT
TRAIN = "data/unpaired/{branch}.parquet"
BALANCE = (1, 4 / 3)  # of the weights of good and bad rows together (section 4.2 of KTO's paper)


class Rated(NamedTuple):
    """A rated summary, another document's, and the reference's log-probability of either, in nats a sequence."""

    completion: Ids
    other: Ids
    desirable: bool
    reference: float = 0.0
    other_reference: float = 0.0


class Chosen(NamedTuple):
    """What a step knows of its rated row: see Rated; kl is the batch's, in nats."""

    reference: float
    desirable: bool
    kl: float


class Ratings(Memoryless):
    """A method's loss of one rated summary a prompt."""

    def __init__(self, method: ModuleType, entry: Branch, *, tokens_at_once: int, seed: int):
        self._method, self._entry = method, entry
        self._tokens_at_once, self._seed = tokens_at_once, seed

    def items(self, group: Group) -> int:
        return 1

    def prepare(self, scorer: Scorer, batch: Sequence[Group], place: int) -> list[Group]:
        """Each prompt with one of its rated summaries, drawn by seed and place; kl of the whole batch with each."""
        drawn = []
        for group, generator in zip(batch, seeded(self._seed, range(place, place + len(batch))), strict=True):
            drawn.append(group.meta[int(torch.randint(len(group.meta), (1,), generator=generator))])
        others = [
            Group(group.prompt, (row.other,), row.other_reference)
            for group, row in zip(batch, drawn, strict=True)
        ]
        kl = self._divergence(scorer, others)
        return [
            Group(group.prompt, (row.completion,), Chosen(row.reference, row.desirable, kl))
            for group, row in zip(batch, drawn, strict=True)
        ]

    def losses(self, scorer: Scorer, pack: Sequence[Group]) -> Losses:
        logps = scorer.score(pack).sums()
        reference, desirable, kl = (
            torch.tensor([getattr(group.meta, name) for group in pack], device=logps.device)
            for name in Chosen._fields
        )
        losses = self._method.loss(self._entry, logps, reference, desirable, kl)
        rewards = self._entry.beta * (logps.detach() - reference)
        numbers = {
            "rewards/chosen": rewards[desirable],
            "rewards/rejected": rewards[~desirable],
            "logps/chosen": logps.detach()[desirable],
            "logps/rejected": logps.detach()[~desirable],
            "kl": kl,
        }
        return Losses(losses, numbers)

    @torch.no_grad()
    def _divergence(self, scorer: Scorer, others: Sequence[Group]) -> float:
        """Mean log-ratio of summaries that are not their documents', in nats a sequence, and never below 0."""
        total = 0.0
        for pack in packed(others, self._tokens_at_once):
            some = [others[number] for number in pack]
            references = torch.tensor([group.meta for group in some])
            total += float((scorer.score(some).sums().cpu() - references).sum())
        return max(0.0, total / len(others))


def groups(tokenizer: PreTrainedTokenizerBase, rows: Sequence[dict[str, Any]], seed: int) -> list[Group]:
    """One group a prompt, without completions; its meta is its rated rows, each with another prompt's summary."""
    by_prompt: dict[Ids, list[tuple[Ids, bool]]] = {}
    for row in rows:
        prompt = tuple(encode_prompt(tokenizer, row["prompt"]))
        rated = tuple(encode_completion(tokenizer, row["completion"])), row["desirable"]
        by_prompt.setdefault(prompt, []).append(rated)
    circle = list(by_prompt.items())
    circle = [circle[place] for place in np.random.default_rng(seed).permutation(len(circle))]
    return [
        Group(
            prompt,
            (),
            [Rated(one, following[place % len(following)][0], good) for place, (one, good) in enumerate(own)],
        )
        for (prompt, own), (_, following) in pairwise([*circle, *circle[:1]])
    ]


def with_reference(data: Sequence[Group], compute: Compute, journal: Journal) -> list[Group]:
    """The same groups with what the reference makes of their summaries and of the other documents'."""
    asked = [
        Group(group.prompt, tuple(ids for row in group.meta for ids in (row.completion, row.other)))
        for group in data
    ]
    weights = str(verified_manifest(SFT)["weights_sha256"])
    scorer = Scorer(load_policy(SFT, compute), said=journal.say)
    sums = iter(References.compute(scorer, asked, weights, compute).sums(asked))
    return [
        group._replace(
            meta=[row._replace(reference=next(sums), other_reference=next(sums)) for row in group.meta]
        )
        for group in data
    ]


def trainer(job: Job) -> GroupTrainer:
    """The trainer of one branch, on its rated summaries; a batch never has two of one prompt."""
    seed, walk = job.common["data_seed"], job.entry.optimisation
    data = groups(job.tokenizer, pq.read_table(job.train).to_pylist(), seed)
    size = walk.batch_size * walk.gradient_accumulation
    if not 2 <= size <= len(data):
        raise Refusal(
            "params.yaml: branches.unpaired: batch_size",
            f"a batch of {size} cannot be made of {len(data)} prompts, each at most once",
            f"set batch_size x gradient_accumulation to 2 to {len(data)}",
        )
    warning = unbalanced(job.entry, data)
    if warning:
        job.journal.say(warning)
    objective = Ratings(job.method, job.entry, tokens_at_once=job.compute.tokens_at_once, seed=seed)
    return aligning(job, objective, with_reference(data, job.compute, job.journal), whole_epochs=True)


def unbalanced(entry: Any, data: Sequence[Group]) -> str | None:
    """A warning where weights and counts of good and bad rows are together out of the paper's range."""
    good = sum(
        sum(row.desirable for row in group.meta) / len(group.meta) for group in data
    )  # as they are drawn
    bad = len(data) - good
    if not good or not bad:
        raise Refusal(
            "branches.unpaired",
            f"every rated summary is {'good' if good else 'bad'}",
            "give rows of both kinds",
        )
    ratio = entry.desirable_weight * good / (entry.undesirable_weight * bad)
    if BALANCE[0] - 1e-9 <= ratio <= BALANCE[1] + 1e-9:
        return None
    wanted = entry.undesirable_weight * bad / good
    return (
        f"warning: good rows weigh {ratio:.2f} times the bad ones, and KTO's paper has 1 to 1.33; "
        f"desirable_weight of {wanted:.2f} to {wanted * BALANCE[1]:.2f} would do that"
    )


def told(curve: list[dict[str, float]]) -> dict[str, float | bool]:
    """What the curve says of this family: the margin it made, and the divergence it measures its gains by."""
    end = curve[-1]
    return {
        "train_margin": round(end["rewards/chosen"] - end["rewards/rejected"], 6),
        "train_kl_nats": round(end["kl"], 6),
    }
