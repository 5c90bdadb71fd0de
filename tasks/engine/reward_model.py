"""A reward model with the scale of its own scores, so that two of them speak in one unit.

Fold A's is what branches climb; fold B's, of pairs that no branch was trained on, shows where one climbed too far.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from tasks.engine.groups import Group
from tasks.engine.models import MANIFEST, load_reward, load_tokenizer, verified_manifest
from tasks.engine.scoring import Scorer, rewards
from tasks.settings import Compute

CLIMBED, HELD_BACK = Path("models/reward-a"), Path("models/reward-b")
Asked = Sequence[tuple[str, Sequence[str]]]  # rendered prompts, each with the texts that are to be scored


class RewardModel(NamedTuple):
    """Its scorer, and mean and deviation of its scores on the pairs that it was trained on."""

    scorer: Scorer
    mean: float
    deviation: float

    def __call__(self, some: Sequence[Group]) -> torch.Tensor:
        """(completions,) of one pass, in deviations from the mean."""
        return (self.scorer.rewards(some) - self.mean) / self.deviation

    def rewards(self, asked: Sequence[Group], tokens_at_once: int) -> list[float]:
        """The same of any number of groups, those without completions left out."""
        asked = [group for group in asked if group.completions]
        scores = rewards(self.scorer, asked, tokens_at_once)
        return [(score - self.mean) / self.deviation for score in scores]


def load(folder: Path, compute: Compute, said: Callable[[str], None]) -> RewardModel:
    """The reward model of a folder that the stage `reward` wrote."""
    scale = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return RewardModel(Scorer(load_reward(folder, compute), said=said), scale["mean"], scale["deviation"])


def scores(asked: Asked, compute: Compute, said: Callable[[str], None]) -> list[list[float]]:
    """Fold A's reward of every text of every prompt, in deviations from its mean."""
    verified_manifest(CLIMBED)
    tokenizer = load_tokenizer(CLIMBED)
    groups = [Group.of(tokenizer, prompt, texts) for prompt, texts in asked]
    found = iter(load(CLIMBED, compute, said).rewards(groups, compute.tokens_at_once))
    return [[next(found) for _ in texts] for _, texts in asked]
