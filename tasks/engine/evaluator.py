"""A model that is evaluated, beside models/sft and a reward model: its answers, their reward and their KL.

P prompts, K completions of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from tasks.engine import models, reward_model
from tasks.engine.generation import Completion
from tasks.engine.groups import Group, Ids
from tasks.engine.reward_model import RewardModel
from tasks.engine.sampling import sample, seeded
from tasks.engine.scoring import Scorer, completion_logps
from tasks.engine.text import decode, encode_completion
from tasks.measures import divergence
from tasks.settings import Compute, Text

Answers = Sequence[Sequence[Completion]]  # by prompt
TEMPERATURE = 1.0  # of the drawn ones, from the whole distribution: the KL is of what was drawn from


class Evaluator(NamedTuple):
    """The model, and the three that all evaluations share."""

    policy: Scorer
    reference: Scorer | None  # None where the model itself is models/sft
    reward: RewardModel
    tokenizer: PreTrainedTokenizerBase
    compute: Compute

    @classmethod
    def of(cls, folder: Path, compute: Compute, said: Callable[[str], None]) -> Evaluator:
        """The model of a folder, judged by fold B's reward model."""
        reference = (
            None if folder == models.SFT else Scorer(models.load_policy(models.SFT, compute), said=said)
        )
        return cls(
            Scorer(models.load_policy(folder, compute), said=said),
            reference,
            reward_model.load(reward_model.HELD_BACK, compute, said),
            models.load_tokenizer(models.SFT),
            compute,
        )

    def answers(
        self,
        prompts: Sequence[Ids],
        samples: int,
        text: Text,
        *,
        greedy: bool,
        seed: int,
        batch_size: int,
        said: Callable[[str], None],
    ) -> list[list[Completion]]:
        """Each prompt's `samples` drawn completions, of one pass over it, with log-probabilities.

        greedy: its greedy completion stands before them.
        """
        return sample(
            self.policy,
            prompts,
            completions=samples,
            max_new_tokens=text.max_completion_tokens,
            batch_size=batch_size,
            eos=self.tokenizer.eos_token_id,
            generators=seeded(seed, range(len(prompts))),
            temperature=TEMPERATURE,
            greedy=greedy,
            scored=True,
            said=lambda done, of: said(f"{done} of {of} summaries"),
        )

    def texts(self, answers: Answers) -> list[str]:
        """The P K texts, those of a prompt one behind the other."""
        return [decode(self.tokenizer, one.ids) for some in answers for one in some]

    def rewards(
        self, prompts: Sequence[Ids], answers: Answers, by: RewardModel | None = None
    ) -> list[list[float]]:
        """A reward model's word, fold B's unless another is given, on the text of each prompt's completions.

        Less its mean and by its deviation.
        """
        asked = [
            Group(prompt, tuple(self._closed(one) for one in some))
            for prompt, some in zip(prompts, answers, strict=True)
        ]
        scores = iter((by or self.reward).rewards(asked, self.compute.tokens_at_once))
        return [[next(scores) for _ in some] for some in answers]

    def divergences(self, prompts: Sequence[Ids], answers: Answers) -> dict[str, list[float]]:
        """Of P K sampled completions the sequence KL to models/sft in nats, estimated by k1 and by k3."""
        groups = [
            Group(prompt, tuple(tuple(one.ids) for one in some))
            for prompt, some in zip(prompts, answers, strict=True)
        ]
        ours = [np.array(one.logps) for some in answers for one in some]
        theirs = ours
        if self.reference is not None:
            scored = completion_logps(self.reference, groups, self.compute.tokens_at_once)
            theirs = [logps.to(torch.float64).numpy() for logps in scored]
        ratios = [a - b for a, b in zip(ours, theirs, strict=True)]
        return {
            "kl_k1": [float(divergence.k1(ratio)) for ratio in ratios],
            "kl_k3": [float(divergence.k3(ratio)) for ratio in ratios],
        }

    def _closed(self, completion: Completion) -> Ids:
        """The ids of its text, as the reward model was trained on them; a cut-off one stays without EOS."""
        ids = completion.ids
        if not completion.ended:
            return tuple(ids)
        return tuple(encode_completion(self.tokenizer, decode(self.tokenizer, ids)))
