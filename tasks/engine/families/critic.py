"""The critic family: a policy and a critic that tells the worth of every token, on the policy's own summaries.

Four models: the policy, models/sft as its reference, fold A's reward model, and the critic, which starts as that reward
model and learns beside the policy with an optimizer of its own. A rollout is used for some of the optimizer's steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import torch
from torch.nn.utils.rnn import pad_sequence

from tasks.engine import reward_model
from tasks.engine.families import online
from tasks.engine.families.online import Drawing, Reference
from tasks.engine.fitting import GroupTrainer, Losses, Memoryless, aligning
from tasks.engine.groups import Group
from tasks.engine.journal import Journal
from tasks.engine.models import SFT, load_reward
from tasks.engine.scoring import Scorer, completion_logps, values
from tasks.engine.training import Job
from tasks.refusal import Refusal
from tasks.settings import Compute

START = SFT
TRAIN = online.TRAIN


class Played(NamedTuple):
    """Of a group's K completions, a tensor a token each: what the rollout knew and what it makes of it."""

    old_logps: list[torch.Tensor]
    advantages: list[torch.Tensor]
    old_values: list[torch.Tensor]
    returns: list[torch.Tensor]
    rewards: list[float]
    kl: list[float]  # nats a sequence
    ended: list[bool]
    share: float  # a token's in the mean over all tokens of the batch, times its number of completions


class ActorCritic(Memoryless):
    """A method's loss of every token that the policy has sampled, and of the critic's value before it."""

    def __init__(
        self,
        method: ModuleType,
        entry: Any,
        drawing: Drawing,
        reference: Reference,
        critic: Scorer,
    ):
        self._method, self._entry, self._drawing = method, entry, drawing
        self._reference, self.critic = reference, critic
        walk = entry.optimisation
        self._weights = [weight for weight in critic.model.parameters() if weight.requires_grad]
        self._optimizer = torch.optim.AdamW(
            self._weights, lr=entry.critic_learning_rate, weight_decay=walk.weight_decay
        )
        self._rollouts: list[list[Group]] = []  # of the micro-batches of a step
        self._micro, self._step = 0, 0

    def items(self, group: Group) -> int:
        return self._entry.completions

    def prepare(self, scorer: Scorer, batch: Sequence[Group], place: int) -> list[Group]:
        """The prompts with K completions each; in the later epochs of a rollout that rollout again."""
        if self._step % self._entry.epochs == 0:
            self._rollouts.append(self._played(scorer, batch, place))
        self._micro += 1
        return self._rollouts[self._micro - 1]

    def losses(self, scorer: Scorer, pack: Sequence[Group]) -> Losses:
        scores = scorer.score(pack, entropy=True)
        known = {
            name: torch.cat([one for group in pack for one in getattr(group.meta, name)]).to(
                scores.logps.device
            )
            for name in ("old_logps", "advantages", "old_values", "returns")
        }
        logps = torch.cat(scores.per_token())
        worth = torch.cat(self.critic.values(pack))
        policy = self._method.loss(self._entry, logps, known["old_logps"], known["advantages"])
        critic = self._method.value_loss(self._entry, worth, known["old_values"], known["returns"])
        lengths = scores.tokens().tolist()
        shares = torch.tensor([group.meta.share for group in pack for _ in group.completions])
        whole = policy + self._entry.value_weight * critic
        items = torch.stack([part.sum() for part in whole.split(lengths)]) * shares.to(whole.device)
        ratio = (logps.detach() - known["old_logps"]).exp()
        assert scores.entropy is not None
        numbers = {
            name: torch.tensor([one for group in pack for one in getattr(group.meta, field)]).float()
            for name, field in (("reward", "rewards"), ("kl_sequence", "kl"))
        }
        kl, tokens = numbers.pop("kl_sequence"), sum(lengths)
        ended = torch.tensor([one for group in pack for one in group.meta.ended])
        numbers |= {
            "kl": (kl.sum() / tokens).expand(tokens),  # a token, as the field's trainers log it
            "entropy": scores.entropy,
            "value_loss": critic.detach(),
            "clip_ratio": ((ratio - 1).abs() > self._entry.clip).float(),
            "completions/mean_length": torch.tensor(lengths).float(),
            "completions/clipped_ratio": (~ended).float(),
        }
        return Losses(items, numbers)

    def stepped(self, scorer: Scorer, step: int) -> None:
        """The critic's own step; its gradients came with the policy's."""
        torch.nn.utils.clip_grad_norm_(self._weights, self._entry.optimisation.max_grad_norm)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._micro, self._step = 0, step
        if step % self._entry.epochs == 0:
            self._rollouts = []

    def state(self) -> dict[str, torch.Tensor]:
        """The critic's weights and its optimizer's moments."""
        found = {f"weight {number}": weight.detach() for number, weight in enumerate(self._weights)}
        for number, moments in self._optimizer.state_dict()["state"].items():
            found |= {f"{name} {number}": tensor for name, tensor in moments.items()}
        return found | {"step of training": torch.tensor(self._step)}

    @torch.no_grad()
    def restore(self, state: dict[str, torch.Tensor]) -> None:
        given = self._optimizer.state_dict()
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in state.items():
            kind, _, number = name.rpartition(" ")
            if kind == "weight":
                self._weights[int(number)].copy_(tensor)
            elif kind == "step of":
                self._step = int(tensor)
            else:
                moments.setdefault(int(number), {})[kind] = tensor
        self._optimizer.load_state_dict({**given, "state": moments})

    @torch.no_grad()
    def _played(self, scorer: Scorer, batch: Sequence[Group], place: int) -> list[Group]:
        drawing, K = self._drawing, self._entry.completions
        answered, ended = drawing.answered(scorer, batch, K, range(place, place + len(batch)))
        rewards = drawing.rewards(answered) - self._entry.eos_penalty * ~ended
        logps = completion_logps(scorer, answered, drawing.tokens_at_once)
        with self._reference.beside(scorer) as theirs:
            reference = completion_logps(theirs, answered, drawing.tokens_at_once)
        old_values = values(self.critic, answered, drawing.tokens_at_once)
        mask_RT = pad_sequence([torch.ones(len(one), dtype=torch.bool) for one in logps], batch_first=True)
        logps_RT, reference_RT, values_RT = (
            pad_sequence(numbers, batch_first=True) for numbers in (logps, reference, old_values)
        )
        kl_RT = logps_RT - reference_RT
        tokens = self._method.rewards(self._entry, rewards.flatten(), kl_RT, mask_RT)
        advantages_RT = self._method.advantages(self._entry, tokens, values_RT, mask_RT)
        returns_RT = advantages_RT + values_RT
        advantages_RT = self._method.whitened(advantages_RT, mask_RT)

        def cut(table_RT: torch.Tensor) -> list[torch.Tensor]:
            return [row[: len(one)] for row, one in zip(table_RT, logps, strict=True)]

        columns = [logps, *map(cut, (advantages_RT, values_RT, returns_RT))]
        columns += [rewards.flatten().tolist(), kl_RT.sum(1).tolist(), ended.flatten().tolist()]
        share = len(logps) / int(mask_RT.sum())
        return [
            group._replace(meta=Played(*(column[n * K : (n + 1) * K] for column in columns), share))
            for n, group in enumerate(answered)
        ]


def trainer(job: Job) -> GroupTrainer:
    """The trainer of one branch: T = 1, no top-p, dropout off in all four models."""
    entry = job.entry
    require_whole_rollouts(entry)
    pairs = pq.read_table(job.train).to_pylist()
    data, reference = online.groups(job.tokenizer, pairs), Reference.of(job)
    critic = _critic(job.compute, job.journal)
    objective = ActorCritic(job.method, entry, Drawing.of(job, pairs), reference, critic)
    return aligning(online.in_prompts(job, len(data)), objective, data, reference=reference.model)


def require_whole_rollouts(entry: Any) -> None:
    """Nothing, or a Refusal where a checkpoint would lie between two epochs of one rollout."""
    if entry.optimisation.checkpoint_every % entry.epochs:
        raise Refusal(
            "params.yaml: branches.critic: checkpoint_every",
            f"{entry.optimisation.checkpoint_every} would cut a rollout of {entry.epochs} epochs in two",
            f"set a multiple of {entry.epochs}",
        )


def told(curve: list[dict[str, float]]) -> dict[str, float | bool]:
    """What the curve says of this family: the reward it climbed, and how much of a step was clipped."""
    start, end = curve[0], curve[-1]
    return {
        "train_reward_change": round(end["reward"] - start["reward"], 6),
        "value_loss": round(end["value_loss"], 6),
        "clip_ratio": round(end["clip_ratio"], 6),
        "cut_off_share": round(end["completions/clipped_ratio"], 6),
    }


def _critic(compute: Compute, journal: Journal) -> Scorer:
    """Fold A's reward model, whose head is read before every token; in float32, as it is trained."""
    exact = compute.model_copy(update={"dtype": "float32"})
    model = load_reward(reward_model.CLIMBED, exact)
    return Scorer(model.eval(), dtype=getattr(torch, compute.dtype), said=journal.say)
