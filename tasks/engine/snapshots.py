"""Weight-only snapshots of a training: whole models on the way, beside its checkpoints, published when it has ended.

They are taken in the folder that a killed training goes on from, so that a resumed one has those from before the kill;
models/<branch>-<seed>-snapshots/step-<n> is made of them at the end.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from transformers import PreTrainedTokenizerBase, Trainer, TrainerCallback

from tasks.engine import models
from tasks.refusal import Refusal


def steps(count: int, of: int) -> list[int]:
    """The optimizer's steps behind which a training of `of` steps is kept: evenly spaced, its end not among them.

    Fewer than `count` where the training is too short for so many.
    """
    return sorted({of * place // (count + 1) for place in range(1, count + 1)} - {0})


class Snapshots(TrainerCallback):
    """Keeps the policy as it is behind the steps `at`; a checkpoint of the same step comes after it."""

    def __init__(
        self,
        trainer: Trainer,
        tokenizer: PreTrainedTokenizerBase,
        scratch: Path,
        at: Sequence[int],
        **facts: Any,
    ):
        self._trainer, self._tokenizer, self._at, self._facts = trainer, tokenizer, at, facts
        self._scratch = scratch / "snapshots"

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step not in self._at:
            return
        policy: Any = self._trainer.accelerator.unwrap_model(self._trainer.model)
        weights = None
        if isinstance(policy, PeftModel):
            policy = policy.get_base_model()
            weights = merged_weights(policy)
        facts = {**self._facts, "step": state.global_step, "of": state.max_steps}
        models.save(policy, self._tokenizer, self._place(state.global_step), weights=weights, **facts)

    def publish(self, target: Path) -> None:
        """Nothing; `target` holds all of them, and no other, and appears only when it is whole."""
        partial = target.with_name(f".{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for step in self._at:
            kept = self._place(step)
            if not kept.is_dir():
                cause = "is missing, though the training went past its step"
                raise Refusal(str(kept), cause, f"delete {self._scratch.parent} and run the stage again")
            # copied: a stage that is killed between here and its end finds them again
            shutil.copytree(kept, partial / kept.name)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)

    def _place(self, step: int) -> Path:
        return self._scratch / f"step-{step}"


@torch.no_grad()
def merged_weights(adapted: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The state of a model with its adapters merged, as peft's merge_and_unload would make it; the model stays.

    Merging and unmerging would round the weights that the training goes on with.
    """
    state = {
        name.replace(".base_layer.", "."): tensor
        for name, tensor in adapted.state_dict().items()
        if ".lora_" not in name
    }
    for name, layer in adapted.named_modules():
        if isinstance(layer, LoraLayer):
            weight: Any = layer.get_base_layer().weight
            for adapter in layer.active_adapters:
                weight = (weight + layer.get_delta_weight(adapter)).to(weight.dtype)
            state[f"{name}.weight"] = weight.cpu()  # so that the device never holds the whole model twice
    return state
