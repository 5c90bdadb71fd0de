"""Training on prompt groups: transformers.Trainer walks, checkpoints and resumes; an objective says what is minimised.

A step's loss is the mean over all items of the optimizer's batch, however that is cut: into gradient accumulation, and
each of those into packs of at most compute.tokens_at_once tokens, which bound the memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from peft import get_peft_model
from safetensors.torch import load_file, save_file
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_callback import ExportableState

from tasks.engine import groups
from tasks.engine.groups import Group
from tasks.engine.scoring import Scorer
from tasks.engine.training import Job, adapter, in_order
from tasks.settings import Compute, Optimisation

MEMORY = "objective.safetensors"


class Losses(NamedTuple):
    """One loss an item, and numbers for the log: each a tensor, whose mean is logged."""

    items: torch.Tensor  # (n,)
    numbers: dict[str, torch.Tensor]


class Objective(Protocol):
    """What is minimised over groups."""

    def items(self, group: Group) -> int:
        """How many losses the group will give."""
        ...

    def prepare(self, scorer: Scorer, batch: Sequence[Group], place: int) -> list[Group]:
        """The groups that are trained on, made of the dataset's; `place` is the first one's in the training."""
        ...

    def losses(self, scorer: Scorer, pack: Sequence[Group]) -> Losses:
        """With gradient."""
        ...

    def begun(self, scorer: Scorer) -> None:
        """Once, with the policy as it starts, before a checkpoint is loaded into it."""
        ...

    def stepped(self, scorer: Scorer, step: int) -> None:
        """After each of the optimizer's steps, the first of which is 1."""
        ...

    def state(self) -> dict[str, torch.Tensor]:
        """What it has learned on the way, kept with every checkpoint."""
        ...

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """The state as it was at the checkpoint that the training goes on from."""
        ...


class Memoryless:
    """Objectives that are at every step what they were at the first."""

    def begun(self, scorer: Scorer) -> None:
        pass

    def stepped(self, scorer: Scorer, step: int) -> None:
        pass

    def state(self) -> dict[str, torch.Tensor]:
        return {}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        pass


class Given(Memoryless):
    """Objectives whose groups are trained on as the dataset has them."""

    def prepare(self, scorer: Scorer, batch: Sequence[Group], place: int) -> list[Group]:
        return list(batch)


class _Batch(NamedTuple):
    """Groups on their way through the data loader, which takes dictionaries apart but not this."""

    groups: Callable[[], list[Group]]
    place: int


class GroupTrainer(Trainer):
    """transformers.Trainer on prompt groups."""

    def __init__(
        self,
        model: PreTrainedModel,
        objective: Objective,
        data: Sequence[Group],
        common: dict[str, Any],
        optimisation: Optimisation,
        compute: Compute,
        tokenizer: PreTrainedTokenizerBase,
        *,
        dropout: bool,
        reference: PreTrainedModel | None = None,
        whole_epochs: bool = False,
        task: str = "CAUSAL_LM",
        said: Callable[[str], None] = print,
    ):
        lora = adapter(optimisation.lora, task, model)
        trained: Any = model if lora is None else get_peft_model(model, lora)
        if lora is not None and optimisation.gradient_checkpointing:
            trained.enable_input_require_grads()
        if not dropout:
            without_dropout(trained)
        self.ref_model = reference  # that the objective compares with, for whoever asks whose bytes it has
        self.objective, self._tokens_at_once = objective, compute.tokens_at_once
        self.scorer = Scorer(trained, dtype=getattr(torch, compute.dtype), said=said)
        self._numbers: dict[str, list[tuple[float, int]]] = defaultdict(list)
        size = common["per_device_train_batch_size"] * common["gradient_accumulation_steps"]
        lengths = [group.tokens for group in data]
        order = in_order(lengths, optimisation, common["data_seed"], size, whole_epochs=whole_epochs)
        super().__init__(
            model=trained,
            args=TrainingArguments(
                **common, train_sampling_strategy="sequential", remove_unused_columns=False, label_names=[]
            ),
            train_dataset=_Ordered([data[place] for place in order]),
            data_collator=_collate,
            processing_class=tokenizer,
        )
        # transformers asks for the state of _Memory before it sets these
        self._tr_loss, self._globalstep_last_logged = torch.zeros(()), 0
        objective.begun(self.scorer)
        self.add_callback(_Memory(self))

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """This batch's share of the mean loss, after its backward pass."""
        model.train()
        assert num_items_in_batch is not None
        batch = inputs["batch"]
        prepared = self.objective.prepare(self.scorer, batch.groups(), batch.place)
        total = torch.zeros((), device=self.args.device)
        for pack in groups.packed(prepared, self._tokens_at_once):
            losses = self.objective.losses(self.scorer, [prepared[number] for number in pack])
            loss = losses.items.sum() / num_items_in_batch
            self.accelerator.backward(loss * self.accelerator.gradient_accumulation_steps)
            total += loss.detach()
            for name, values in losses.numbers.items():
                self._numbers[name].append((float(values.sum()), values.numel()))
        self.state.num_input_tokens_seen += sum(group.tokens for group in prepared)
        return total

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """The trainer's numbers, and the means of ours since the last time."""
        for name, parts in self._numbers.items():
            logs[name] = sum(total for total, _ in parts) / max(1, sum(count for _, count in parts))
        self._numbers.clear()
        logs["num_tokens"] = self.state.num_input_tokens_seen
        super().log(logs, start_time)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        kept = self.objective.state()
        if kept:
            folder = Path(self._get_output_dir(trial)) / f"checkpoint-{self.state.global_step}"
            save_file({name: tensor.contiguous() for name, tensor in kept.items()}, folder / MEMORY)

    def pending(self) -> dict[str, Any]:
        """What the next line of the log will be the mean of, and how the numbers are made, as plain values."""
        return {
            "loss": float(self._tr_loss),
            "logged": self._globalstep_last_logged,
            "numbers": list(self._numbers.items()),  # in their order, which transformers' JSON would sort
            "rows": self.scorer.rows,
        }

    def take_up(self, pending: dict[str, Any]) -> None:
        """Nothing; goes on with what `pending` said at the checkpoint."""
        self._tr_loss += pending["loss"]
        self._globalstep_last_logged = pending["logged"]
        for name, parts in pending["numbers"]:
            self._numbers[name] = [(total, count) for total, count in parts]
        if pending["rows"] and self.scorer.rows is None:
            self.scorer.refuse_to_share(pending["rows"])

    def _get_num_items_in_batch(self, batch_samples: list, device: torch.device) -> torch.Tensor | int | None:
        batches = [sample["batch"].groups() for sample in batch_samples]
        return sum(self.objective.items(group) for batch in batches for group in batch) or 1


def aligning(
    job: Job,
    objective: Objective,
    data: Sequence[Group],
    *,
    reference: PreTrainedModel | None = None,
    whole_epochs: bool = False,
) -> GroupTrainer:
    """The trainer of a branch: without dropout, else a policy that has not moved would differ from its reference."""
    return GroupTrainer(
        job.policy,
        objective,
        data,
        job.common,
        job.entry.optimisation,
        job.compute,
        job.tokenizer,
        dropout=False,
        reference=reference,
        whole_epochs=whole_epochs,
        said=job.journal.say,
    )


class _Memory(TrainerCallback, ExportableState):
    """Tells an objective of the optimizer's steps; a resumed training has its state, and an unfinished line of the log.

    Without that line's sums the curve of a resumed training would hold the mean of fewer steps than an unbroken one's.
    """

    def __init__(self, trainer: GroupTrainer):
        self._trainer, self._objective = trainer, trainer.objective

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: Any, **_: Any) -> None:
        if not state.global_step:
            return
        kept: Any = state.stateful_callbacks
        self._trainer.take_up(kept[type(self).__name__]["attributes"])
        if self._objective.state():
            folder = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
            self._objective.restore(load_file(folder / MEMORY))

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: Any, **_: Any) -> None:
        self._objective.stepped(self._trainer.scorer, state.global_step)

    def state(self) -> dict[str, Any]:
        """What transformers.Trainer writes into a checkpoint's trainer_state.json."""
        return {"args": {}, "attributes": self._trainer.pending()}


class _Ordered(torch.utils.data.Dataset):
    """Groups with their place in the training."""

    def __init__(self, data: list[Group]):
        self._data = data

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, place: int) -> tuple[int, Group]:
        return place, self._data[place]


def _collate(rows: list[tuple[int, Group]]) -> dict[str, _Batch]:
    some = [group for _, group in rows]
    return {"batch": _Batch(lambda: some, rows[0][0])}


def without_dropout(model: PreTrainedModel) -> None:
    """Nothing; its dropout is off for good."""
    for part in [*model.modules(), model.config.get_text_config()]:
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
        for name, value in list(
            vars(part).items()
        ):  # many families keep a probability under a name of their own
            if "drop" in name and isinstance(value, float):
                setattr(part, name, 0.0)
