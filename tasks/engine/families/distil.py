"""The distil family: the policy learns what the best of several of an anchor's summaries would be.

One step: of each prompt one summary of the policy and several of the anchor, which starts as models/sft and may follow
the policy; a reward ranks them; the policy learns the anchor's best one, and its own by how it ranks among them. With
an adapter the anchor is one, too, and follows in A and B each by itself, which is near to the mean of their products
while the two adapters are near each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import torch

from tasks.engine.families import online
from tasks.engine.families.online import Drawing
from tasks.engine.fitting import GroupTrainer, Losses, aligning
from tasks.engine.groups import Group
from tasks.engine.models import SFT
from tasks.engine.scoring import Scorer
from tasks.engine.training import Job
from tasks.refusal import Refusal

START = SFT
TRAIN = online.TRAIN
ANCHORS = 2**40  # the places of the anchor's draws, apart from those of the policy's


class Ranked(NamedTuple):
    """Of a prompt: the advantage of the policy's summary, its anchor log-probability in nats, what is logged."""

    advantage: float
    anchor_logp: float
    reward: float
    anchor_reward: float
    best_reward: float
    ended: bool


class Distillation:
    """A method's loss of one summary of the policy and the anchor's best, a prompt."""

    def __init__(self, method: ModuleType, entry: Any, drawing: Drawing):
        self._method, self._entry, self._drawing = method, entry, drawing
        self.anchor: Scorer | None = None  # at first a copy of the policy

    def items(self, group: Group) -> int:
        return 1

    def begun(self, scorer: Scorer) -> None:
        self.anchor = scorer.copied()

    def prepare(self, scorer: Scorer, batch: Sequence[Group], place: int) -> list[Group]:
        """Each prompt with the policy's summary and the anchor's best, ranked."""
        anchor, places = self._known_anchor(), range(place, place + len(batch))
        mine, own_ended = self._drawing.answered(scorer, batch, 1, places)
        theirs, ended = self._drawing.answered(
            anchor, batch, self._entry.anchor_samples, [ANCHORS + one for one in places]
        )
        price = self._entry.eos_penalty
        own_P = (self._drawing.rewards(mine) - price * ~own_ended)[:, 0]
        theirs_PK = self._drawing.rewards(theirs) - price * ~ended
        logps, anchor_logps = (self._drawing.sums(each, mine)[:, 0] for each in (scorer, anchor))
        advantages = self._method.advantages(self._entry, own_P, theirs_PK, logps - anchor_logps)
        best = theirs_PK[:, : self._entry.best_of].argmax(1).tolist()  # the first one of equals
        told = [advantages, anchor_logps, own_P, theirs_PK.mean(1), theirs_PK[range(len(best)), best]]
        columns = [*(column.tolist() for column in told), own_ended[:, 0].tolist()]
        return [
            group._replace(
                completions=(group.completions[0], others.completions[number]), meta=Ranked(*numbers)
            )
            for group, others, number, *numbers in zip(mine, theirs, best, *columns, strict=True)
        ]

    def losses(self, scorer: Scorer, pack: Sequence[Group]) -> Losses:
        scores = scorer.score(pack)
        logps, best_logps = scores.sums().unflatten(0, (-1, 2)).unbind(1)
        known = {
            name: torch.tensor([getattr(group.meta, name) for group in pack], device=logps.device)
            for name in Ranked._fields
        }
        losses = self._method.loss(self._entry, logps, best_logps, known["advantage"], known["anchor_logp"])
        numbers = {
            "reward": known["reward"],
            "anchor_reward": known["anchor_reward"],
            "best_reward": known["best_reward"],
            "kl_anchor": logps.detach() - known["anchor_logp"],  # nats a sequence
            "logps/best": best_logps.detach(),
            "completions/mean_length": scores.tokens()[::2].float(),
            "completions/clipped_ratio": (~known["ended"]).float(),
        }
        return Losses(losses, numbers)

    @torch.no_grad()
    def stepped(self, scorer: Scorer, step: int) -> None:
        """The anchor goes a share of the way to the policy, as the method has it."""
        rate = self._method.anchor_rate(self._entry, step)
        if rate:
            for theirs, ours in zip(*map(_weights, (self._known_anchor().model, scorer.model)), strict=True):
                theirs.lerp_(ours, rate)

    def state(self) -> dict[str, torch.Tensor]:
        """The anchor's weights, where it moves at all."""
        steps = range(1, self._entry.optimisation.steps + 1)
        if not any(self._method.anchor_rate(self._entry, step) for step in steps):
            return {}
        return {str(number): weight for number, weight in enumerate(_weights(self._known_anchor().model))}

    @torch.no_grad()
    def restore(self, state: dict[str, torch.Tensor]) -> None:
        for number, weight in enumerate(_weights(self._known_anchor().model)):
            weight.copy_(state[str(number)])

    def _known_anchor(self) -> Scorer:
        assert self.anchor is not None
        return self.anchor


def trainer(job: Job) -> GroupTrainer:
    """The trainer of one branch: one optimizer step a draw, T = 1, no top-p, dropout off; batch_size counts prompts."""
    pairs, walk = pq.read_table(job.train).to_pylist(), job.entry.optimisation
    data = online.groups(job.tokenizer, pairs)
    taken = walk.batch_size * walk.gradient_accumulation
    if taken > len(data):
        raise Refusal(
            job.train,
            f"holds {len(data)} prompts, and a step takes {taken}",
            "lower batch_size x gradient_accumulation under branches.distil, or give more pairs",
        )
    objective = Distillation(job.method, job.entry, Drawing.of(job, pairs))
    made = aligning(job, objective, data)
    made.ref_model = objective.anchor and objective.anchor.model
    return made


def told(curve: list[dict[str, float]]) -> dict[str, float | bool]:
    """What the curve says of this family: the reward it climbed, and how far it is from its anchor."""
    start, end = curve[0], curve[-1]
    return {
        "train_reward_change": round(end["reward"] - start["reward"], 6),
        "kl_anchor_nats": round(end["kl_anchor"], 6),
        "cut_off_share": round(end["completions/clipped_ratio"], 6),
    }


def _weights(model: Any) -> list[torch.Tensor]:
    """Those that training changes: all of them, or an adapter's; of the anchor by the names of the policy's."""
    adapted = hasattr(model, "peft_config")
    return [weight for name, weight in model.named_parameters() if not adapted or "lora_" in name]
