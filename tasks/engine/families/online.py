"""The online family: the policy answers fold A's prompts, and a reward of ids judges the answers.

One step: K completions a prompt from one prefill; reward and reference on groups that share each prompt; one forward
and backward pass of the policy. The step is strictly on-policy, so the policy's log-probabilities in that pass are
those that it sampled with, and no pass is spent on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from types import ModuleType
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.engine import reward_model
from tasks.engine.fitting import GroupTrainer, Losses, Memoryless, aligning
from tasks.engine.groups import Group, packed
from tasks.engine.models import SFT, load_policy, verified_manifest
from tasks.engine.sampling import sample, seeded
from tasks.engine.scoring import Scorer
from tasks.engine.text import decode, encode_prompt
from tasks.engine.training import Job
from tasks.measures.gold import judge_of
from tasks.refusal import Refusal

START = SFT
TRAIN = "data/pairs/a.parquet"

Reward = Callable[[Sequence[Group]], torch.Tensor]  # groups with completions -> (completions,)


class Sampled(NamedTuple):
    """Of a group's K completions: reward, the reference's log-probability (nats a sequence), whether it ended."""

    rewards: list[float]
    reference_logps: list[float]
    ended: list[bool]


class Drawing(NamedTuple):
    """How completions are drawn and judged; what each is drawn with depends on `seed` and its place alone."""

    reward: Reward
    eos: int
    max_new_tokens: int
    tokens_at_once: int  # of one forward pass
    seed: int

    @classmethod
    def of(cls, job: Job, pairs: Sequence[dict[str, Any]]) -> Drawing:
        """As the branch's entry and params.yaml have it; its reward is of these pairs' prompts."""
        return cls(
            reward_of(job, pairs),
            job.tokenizer.eos_token_id,
            job.text.max_completion_tokens,
            job.compute.tokens_at_once,
            job.common["data_seed"],
        )

    def answered(
        self, scorer: Scorer, batch: Sequence[Group], completions: int, places: Sequence[int]
    ) -> tuple[list[Group], torch.Tensor]:
        """The prompts with K completions each, and whether each of them ended, (P, K)."""
        sampled = sample(
            scorer,
            [group.prompt for group in batch],
            completions=completions,
            max_new_tokens=self.max_new_tokens,
            batch_size=len(batch) * completions,
            eos=self.eos,
            generators=seeded(self.seed, places),
        )
        answered = [
            group._replace(completions=tuple(tuple(one.ids) for one in some))
            for group, some in zip(batch, sampled, strict=True)
        ]
        return answered, torch.tensor([[one.ended for one in some] for some in sampled])

    def rewards(self, answered: Sequence[Group]) -> torch.Tensor:
        """(P, K), of groups of K completions each."""
        return self.in_packs(answered, self.reward)

    def sums(self, scorer: Scorer, answered: Sequence[Group]) -> torch.Tensor:
        """(P, K): log-probabilities in nats a sequence."""
        return self.in_packs(answered, lambda some: scorer.score(some).sums())

    @torch.no_grad()
    def in_packs(self, answered: Sequence[Group], numbers: Reward) -> torch.Tensor:
        """(P, K): one number a completion, a pack at a time."""
        found = torch.zeros(len(answered), len(answered[0].completions))
        for pack in packed(answered, self.tokens_at_once):
            found[pack] = numbers([answered[number] for number in pack]).float().cpu().view(len(pack), -1)
        return found


class Reference(NamedTuple):
    """models/sft beside a policy: a model of its own, or the policy with its adapter off, which is the same weights."""

    scorer: Scorer | None

    @classmethod
    def of(cls, job: Job) -> Reference:
        """Loaded where the training has no adapter."""
        if job.entry.optimisation.lora is not None:
            return cls(None)
        return cls(Scorer(load_policy(SFT, job.compute), said=job.journal.say))

    @property
    def model(self) -> PreTrainedModel | None:
        return self.scorer and self.scorer.model

    @contextmanager
    def beside(self, policy: Scorer) -> Iterator[Scorer]:
        """What scores as the reference, for as long as the context lasts."""
        if self.scorer is not None:
            yield self.scorer
        else:
            with policy.model.disable_adapter():
                yield policy


class Rollouts(Memoryless):
    """A method's loss of every completion that the policy samples."""

    def __init__(self, method: ModuleType, entry: Any, drawing: Drawing, reference: Reference):
        self._method, self._entry, self._drawing, self._reference = method, entry, drawing, reference
        self._asks_baseline = "baseline" in signature(method.advantages).parameters
        self._past = torch.zeros(2, dtype=torch.float64)  # sum and number of the rewards of earlier steps
        self._now = torch.zeros(2, dtype=torch.float64)  # the same of this one

    def items(self, group: Group) -> int:
        return self._entry.completions

    def prepare(self, scorer: Scorer, batch: Sequence[Group], place: int) -> list[Group]:
        """The prompts with K completions each, what their reward is and what the reference makes of them."""
        places = range(place, place + len(batch))
        answered, ended = self._drawing.answered(scorer, batch, self._entry.completions, places)
        rewards = self._drawing.rewards(answered) - self._entry.eos_penalty * ~ended
        with self._reference.beside(scorer) as reference:
            logps = self._drawing.sums(reference, answered)
        return [
            group._replace(meta=Sampled(*numbers))
            for group, *numbers in zip(
                answered, rewards.tolist(), logps.tolist(), ended.tolist(), strict=True
            )
        ]

    def losses(self, scorer: Scorer, pack: Sequence[Group]) -> Losses:
        scores = scorer.score(pack, entropy=True)
        logps, tokens = scores.sums(), scores.tokens()
        rewards, reference_logps, ended = (
            torch.tensor([getattr(group.meta, name) for group in pack], device=logps.device)
            for name in Sampled._fields
        )
        kl = logps.detach() - reference_logps.flatten()
        advantages = self._advantages(rewards, kl.view_as(rewards))
        losses = self._method.loss(logps, logps.detach(), advantages.flatten())
        assert scores.entropy is not None
        numbers = {
            "reward": rewards,
            "kl": (kl.sum() / tokens.sum()).expand_as(kl),  # a token, as the field's trainers log it
            "entropy": scores.entropy,
            "completions/mean_length": tokens.float(),
            "completions/clipped_ratio": (~ended).float(),
        }
        if self._entry.completions > 1:
            numbers["reward_std"] = rewards.std(1)
            numbers["frac_reward_zero_std"] = (rewards.std(1) < 1e-6).float()
        return Losses(losses, numbers)

    def stepped(self, scorer: Scorer, step: int) -> None:
        self._past, self._now = self._past + self._now, torch.zeros_like(self._now)

    def state(self) -> dict[str, torch.Tensor]:
        return {"past": self._past} if self._asks_baseline else {}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        self._past = state["past"]

    def _advantages(self, rewards: torch.Tensor, kl: torch.Tensor) -> torch.Tensor:
        """(P, K); a method that asks for `baseline` gets the mean of all earlier steps, 0 before the first."""
        if not self._asks_baseline:
            return self._method.advantages(self._entry, rewards, kl)
        total, count = self._past.tolist()
        baseline = total / max(1, count)
        advantages = self._method.advantages(self._entry, rewards, kl, baseline)
        penalised = advantages.double() + baseline
        self._now += torch.stack([penalised.sum().cpu(), torch.tensor(float(penalised.numel()))])
        return advantages


def groups(tokenizer: PreTrainedTokenizerBase, pairs: Sequence[dict[str, Any]]) -> list[Group]:
    """One group a prompt of fold A, without completions; its meta is what the judge needs to know of the document."""
    gold = {pair["prompt"]: pair["gold"] for pair in pairs}
    return [Group(tuple(encode_prompt(tokenizer, prompt)), (), known) for prompt, known in gold.items()]


def trainer(job: Job) -> GroupTrainer:
    """The trainer of one branch, strictly on-policy: one optimizer step a rollout, T = 1, no top-p, dropout off."""
    pairs = pq.read_table(job.train).to_pylist()
    data, reference = groups(job.tokenizer, pairs), Reference.of(job)
    objective = Rollouts(job.method, job.entry, Drawing.of(job, pairs), reference)
    return aligning(in_prompts(job, len(data)), objective, data, reference=reference.model)


def in_prompts(job: Job, prompts: int) -> Job:
    """The same with a batch size in prompts: batch_size counts completions, and a micro-batch holds whole groups."""
    entry, rows = job.entry, job.entry.optimisation.batch_size
    if rows % entry.completions:
        raise Refusal(
            "params.yaml: branches.online",
            f"batch_size = {rows} is no multiple of completions = {entry.completions}",
            "change one of the two",
        )
    taken = rows * entry.optimisation.gradient_accumulation // entry.completions
    if taken > prompts:
        raise Refusal(
            TRAIN,
            f"holds {prompts} prompts, and a rollout takes {taken}",
            "lower batch_size x gradient_accumulation under branches.online, or give more pairs",
        )
    return job._replace(common={**job.common, "per_device_train_batch_size": rows // entry.completions})


def told(curve: list[dict[str, float]]) -> dict[str, float | bool]:
    """What the curve says of this family: the reward it climbed, and groups without a difference to learn from."""
    start, end = curve[0], curve[-1]
    found = {
        "train_reward_change": round(end["reward"] - start["reward"], 6),
        "cut_off_share": round(end["completions/clipped_ratio"], 6),
    }
    if "frac_reward_zero_std" in end:
        found["groups_without_difference"] = round(end["frac_reward_zero_std"], 6)
    return found


def reward_of(job: Job, pairs: Sequence[dict[str, Any]]) -> Reward:
    """What an entry's `reward` names, of groups with completions; what it judges is counted."""
    if job.entry.reward == "judge":
        return job.spent.counted(judge_reward(job.tokenizer, judge(pairs)), reward="judge")
    climbed = reward_model.CLIMBED
    weights = verified_manifest(climbed)["weights_sha256"]
    loaded = reward_model.load(climbed, job.compute, job.journal.say)
    return job.spent.counted(loaded, reward="model", climbed_sha256=weights)


def judge(pairs: Sequence[dict[str, Any]]) -> Callable[[str, Any], Any]:
    """The judge that made these pairs."""
    kind = pairs[0]["judge"]
    if kind is None or any(pair["gold"] is None for pair in pairs):
        raise Refusal(
            "branches.online: reward: judge",
            "these pairs carry nothing that a judge could score",
            "set reward: model",
        )
    return judge_of(kind)


def judge_reward(tokenizer: PreTrainedTokenizerBase, judge: Callable[[str, Any], Any]) -> Reward:
    """The judge's total in [0, 1] of each completion's text; a group's meta is what the judge knows."""

    def reward(some: Sequence[Group]) -> torch.Tensor:
        return torch.tensor(
            [
                judge(decode(tokenizer, list(ids)), group.meta)["total"]
                for group in some
                for ids in group.completions
            ]
        )

    return reward
