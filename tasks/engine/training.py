"""What every trainer shares here: its arguments, its order, its place to resume from, its log, its merged result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from peft import LoraConfig, PeftModel
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    set_seed,
)

from tasks.engine import checkpoints
from tasks.engine.journal import Journal
from tasks.engine.models import SFT
from tasks.refusal import Refusal
from tasks.settings import Compute, Lora, Optimisation, Text

POOL = 16  # batches that rows of like length are gathered from
IN_ORDER: dict[str, Any] = {"train_sampling_strategy": "sequential"}


class Job(NamedTuple):
    """One branch and seed to train: what a family makes its trainer of."""

    method: ModuleType
    entry: Any  # the method's Config
    policy: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    common: dict[str, Any]  # see `arguments`
    train: str  # the family's file of rows
    text: Text
    compute: Compute
    journal: Journal
    spent: Any  # engine.spent.Spent: counts what it draws
    start: Path = SFT  # the model whose bytes the policy has before its first step


def arguments(optimisation: Optimisation, compute: Compute, seed: int, scratch: Path) -> dict[str, Any]:
    """The keyword arguments that every trainer's config takes, from one block of params.yaml."""
    return {
        "output_dir": str(scratch),
        "learning_rate": optimisation.learning_rate,
        "lr_scheduler_type": optimisation.schedule,
        "warmup_steps": optimisation.warmup_steps,
        "weight_decay": optimisation.weight_decay,
        "max_grad_norm": optimisation.max_grad_norm,
        "max_steps": optimisation.steps,
        "per_device_train_batch_size": optimisation.batch_size,
        "gradient_accumulation_steps": optimisation.gradient_accumulation,
        "activation_checkpointing": optimisation.gradient_checkpointing,
        "save_strategy": "steps",
        "save_steps": optimisation.checkpoint_every,
        "save_total_limit": 2,
        "logging_steps": 5,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,  # else a loss that is no number is left out of the mean
        "report_to": "none",
        "disable_tqdm": True,
        "seed": seed,
        "data_seed": seed,
        "bf16": compute.dtype == "bfloat16",
        "use_cpu": compute.device == "cpu" or not torch.cuda.is_available(),
        "dataloader_pin_memory": False,
    }


def in_order(
    lengths: Sequence[int],
    optimisation: Optimisation,
    seed: int,
    size: int = 0,
    *,
    whole_epochs: bool = False,
) -> list[int]:
    """The rows in the order in which the training takes them: `steps` batches of `size`; for IN_ORDER.

    size: rows of the optimizer's batch, where that is not batch_size x gradient_accumulation. Epoch after epoch is
    shuffled; by `order: length`, rows of like length come together within every POOL batches, in batches of a random
    order. Written down beforehand, so that a resumed training finds the same batches.
    whole_epochs: no batch reaches from one epoch into the next, so that it never has a row twice.
    """
    size = size or optimisation.batch_size * optimisation.gradient_accumulation
    wanted, random = optimisation.steps * size, np.random.default_rng(seed)
    taken = len(lengths) // size * size if whole_epochs else len(lengths)  # of an epoch
    epochs = [random.permutation(len(lengths))[:taken] for _ in range(-(-wanted // taken))]
    stream = np.concatenate(epochs)[:wanted].tolist()
    if optimisation.order == "random":
        return stream
    order: list[int] = []
    for start in range(0, wanted, POOL * size):
        pool = sorted(stream[start : start + POOL * size], key=lambda row: lengths[row])
        batches = [pool[at : at + size] for at in range(0, len(pool), size)]
        order += [row for batch in random.permutation(len(batches)) for row in batches[batch]]
    return order


def adapter(lora: Lora | None, task: str, model: PreTrainedModel) -> LoraConfig | None:
    """peft's configuration of the block, or None for full training; task is CAUSAL_LM or SEQ_CLS."""
    if lora is None:
        return None
    head = ["score"] if task == "SEQ_CLS" else None  # it is new, so it must be trained whole
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.modules if lora.modules == "all-linear" else _layers(lora.modules, model),
        task_type=task,
        modules_to_save=head,
    )


def _layers(modules: str, model: PreTrainedModel) -> list[str]:
    """The names of `a, b, c`, each of which the model has; TRL's losses read lm_head past an adapter on it."""
    linear = {
        name.rpartition(".")[2] for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)
    }
    known, wanted = linear - {"lm_head", "score"}, [name.strip() for name in modules.split(",")]
    for name in wanted:
        if name not in known:
            raise Refusal(
                "params.yaml: lora.modules",
                f"there is no layer {name!r} to adapt",
                f"name some of {', '.join(sorted(known))}, or all-linear",
            )
    return wanted


class JournalCallback(TrainerCallback):
    """Sends the trainer's log to the journal, and stops a training whose first step breaks its identity.

    identity: logged name -> the value that it has by mathematics while the policy is the reference.
    """

    def __init__(self, journal: Journal, record: str, identity: dict[str, float], tolerance: float):
        self.journal, self.record, self.identity, self.tolerance = journal, record, identity, tolerance
        self.first: dict[str, float] = {}

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if state.global_step >= state.max_steps:
            control.should_log = True  # the curve ends where the training ends

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        numbers = {
            name: float(value) for name, value in (logs or {}).items() if isinstance(value, int | float)
        }
        if "loss" not in numbers:  # the closing summary holds times, which are no result
            return
        numbers = {name: value for name, value in numbers.items() if name not in ("step_time", "epoch")}
        if state.global_step == 1:
            self.first = numbers
            self._hold()
        self.journal.step(state.global_step, state.max_steps, **numbers)

    def _hold(self) -> None:
        for name, value in self.identity.items():
            if not abs(self.first[name] - value) <= self.tolerance:
                raise Refusal(
                    self.record,
                    f"at step 0 {name} is {self.first[name]:.6f} and must be {value:.6f}: "
                    "the policy does not start as the reference",
                    "run `dvc repro sft` again; if it stays, the reference is not models/sft",
                )


def seed(number: int) -> None:
    """Nothing; every generator of this process starts from `number`, and torch chooses repeatable kernels."""
    set_seed(number)
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())


def fit(trainer: Trainer, journal: Journal, scratch: Path) -> None:
    """Nothing; trains to the end, from the last whole checkpoint in scratch where there is one."""
    trainer.remove_callback(PrinterCallback)  # the journal tells it, in one form for every stage
    checkpoints.keep_whole(trainer)
    checkpoint = checkpoints.last(scratch, journal.say)
    if checkpoint is not None:
        step = checkpoints.step_of(checkpoint)
        journal.say(f"resuming from step {step}")
        journal.resume_from(step)
    trainer.train(resume_from_checkpoint=checkpoint and str(checkpoint))


def merged(trainer: Trainer) -> PreTrainedModel:
    """The trained model without wrappers: adapters merged into the weights."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    return model.merge_and_unload() if isinstance(model, PeftModel) else model


def peak_memory_bytes() -> int:
    """The most memory that this process has held: the GPU's where there is one, else resident memory."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
