"""MetaRM: a reward model learns from where it would tell the policy's own summaries apart better.

Wang et al. 2024 (arXiv 2401.06080, section 3.2; Dou et al. 2024, arXiv 2405.00438). One step: theta' = theta + eta
grad J(theta), where J is the spread of rewards on summaries of the policy; then theta is moved by the gradient of the
pairs' loss at theta'. The derivative of theta' by theta is taken for 1, as there.

Differs from the paper: the summaries are the candidates that the stage `sample` drew from models/sft, for the prompts
of the very pairs of the step: no other policy is there yet when the reward model is trained.

Legend of shapes: P prompts, K summaries of each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from transformers import PreTrainedTokenizerBase

from tasks.engine.fitting import GroupTrainer
from tasks.engine.groups import Group, packed
from tasks.engine.scoring import Scorer
from tasks.refusal import Refusal

SAMPLES = Path("data/samples.parquet")


def spread(rewards_PK: torch.Tensor) -> torch.Tensor:
    """(P,): J = 2 / K^2 of the sum over pairs of sigmoid(|r_i - r_j|); (K - 1) / (2 K) of equal rewards."""
    count = rewards_PK.shape[1]
    one, other = torch.triu_indices(count, count, offset=1, device=rewards_PK.device)
    gaps = (rewards_PK[:, one] - rewards_PK[:, other]).abs()
    return 2 / count**2 * gaps.sigmoid().sum(1)


def candidates(
    pairs: Sequence[Mapping[str, Any]], tokenizer: PreTrainedTokenizerBase, path: Path = SAMPLES
) -> list[Group]:
    """One group a pair: the different whole summaries sampled of its document; a Refusal where a pair has no two."""
    sampled: dict[str, dict[str, None]] = defaultdict(dict)
    for row in pq.read_table(path, columns=["id", "completion", "ended"]).to_pylist():
        if row["ended"] and row["completion"]:
            sampled[row["id"]][row["completion"]] = None
    for pair in pairs:
        if len(sampled.get(pair["id"], ())) < 2:
            cause = (
                f"the pair {pair['id']!r} has no two candidates in {path} that rewards could be spread over"
            )
            cure = "set pairs.source.kind: sampled, or another objective"
            raise Refusal("params.yaml: reward.source.objective", cause, cure)
    return [Group.of(tokenizer, pair["prompt"], sampled[pair["id"]]) for pair in pairs]


class LookingAhead(GroupTrainer):
    """A trainer of groups whose `meta` are candidates, and whose gradient is taken one step up their spread."""

    def __init__(self, *given: Any, eta: float, **named: Any):
        self.eta = eta
        super().__init__(*given, **named)

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """This batch's share of the mean loss at the weights ahead, after its backward pass."""
        fresh = [group.meta for group in inputs["batch"].groups()] if self.eta else []
        with ahead(self.scorer, fresh, self.eta, self._tokens_at_once):
            return super().training_step(model, inputs, num_items_in_batch)


@contextmanager
def ahead(scorer: Scorer, fresh: Sequence[Group], eta: float, tokens_at_once: int) -> Iterator[None]:
    """While it lasts the weights are one step up the spread; afterwards they are what they were, to the bit."""
    if not eta:
        yield
        return
    free = [weight for weight in scorer.model.parameters() if weight.requires_grad]
    upward, kept = (
        gradients(scorer, fresh, free, tokens_at_once),
        [weight.detach().clone() for weight in free],
    )
    with torch.no_grad():
        for weight, rise in zip(free, upward, strict=True):
            weight.add_(rise, alpha=eta)
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, own in zip(free, kept, strict=True):
                weight.copy_(own)


def gradients(
    scorer: Scorer, fresh: Sequence[Group], free: Sequence[torch.Tensor], tokens_at_once: int
) -> list[torch.Tensor]:
    """Of the mean spread over the groups, by each of the weights."""
    total = [torch.zeros_like(weight) for weight in free]
    for pack in packed(fresh, tokens_at_once):
        some = [fresh[number] for number in pack]
        cut = scorer.rewards(some).split([len(group.completions) for group in some])
        rise = torch.cat([spread(rewards_K[None]) for rewards_K in cut]).sum() / len(fresh)
        found = torch.autograd.grad(rise, list(free), materialize_grads=True)
        total = [one + other for one, other in zip(total, found, strict=True)]
    return total
