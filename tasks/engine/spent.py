"""What a training draws and has judged: counted on the way, and kept with every checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import TrainerCallback, TrainerState
from transformers.trainer_callback import ExportableState

from tasks.engine.groups import Group

Reward = Callable[[Sequence[Group]], torch.Tensor]  # groups with completions -> (completions,)


class Spent(TrainerCallback, ExportableState):
    """One training's generated tokens and reward calls; a resumed training counts on from its checkpoint.

    Every completion that a training draws is judged once and nothing else is, so its reward sees all that was
    generated, in our trainers and in TRL's.
    """

    def __init__(self) -> None:
        self.generated_tokens, self.reward_calls = 0, 0
        self._access: dict[str, str] = {}

    def counted(self, reward: Reward, /, **access: str) -> Reward:
        """The same reward, whose completions are counted; `access` names what the training learns through it."""
        self._access = access

        def counting(some: Sequence[Group]) -> torch.Tensor:
            self.reward_calls += sum(len(group.completions) for group in some)
            self.generated_tokens += sum(len(ids) for group in some for ids in group.completions)
            return reward(some)

        return counting

    def told(self) -> dict[str, int | str]:
        """For the record: tokens generated (EOS included), completions judged, and by whom."""
        return {**self._counts(), **self._access}

    def state(self) -> dict[str, Any]:
        """What transformers.Trainer writes into a checkpoint's trainer_state.json."""
        return {"args": {}, "attributes": self._counts()}

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        if state.global_step:
            kept: Any = state.stateful_callbacks
            vars(self).update(kept[type(self).__name__]["attributes"])

    def _counts(self) -> dict[str, int]:
        return {"generated_tokens": self.generated_tokens, "reward_calls": self.reward_calls}
