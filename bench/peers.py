"""TRL's trainers and ours, from the same bytes, on the same ids, with the same arguments."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import torch
from datasets import Dataset
from transformers import Trainer
from trl import DPOConfig, RLOOConfig, RLOOTrainer

from bench.models import EOS, Models, text
from bench.pairing import Side
from tasks.engine.families.online import Drawing, Reference, Reward, Rollouts
from tasks.engine.families.pairs import Known, Preferences
from tasks.engine.fitting import GroupTrainer
from tasks.engine.groups import Group, Ids
from tasks.engine.references import References
from tasks.engine.scoring import Scorer
from tasks.engine.stock.pairs import PairsTrainer, dataset
from tasks.engine.training import arguments
from tasks.methods import dpo, rloo
from tasks.settings import Compute, Optimisation

T = TypeVar("T", bound=Trainer)

BETA = 0.05
LONGEST = 64  # tokens of a sampled completion
COMPUTE = Compute(
    threads=1, trunk_threads=1, tokens_at_once=2**20, device="cpu", dtype="float32"
)  # TRL takes a batch at once


def optimisation(size: int, steps: int = 1) -> Optimisation:
    """How both walk."""
    return Optimisation(
        learning_rate=1e-5,
        schedule="constant",
        warmup_steps=0,
        weight_decay=0.0,
        max_grad_norm=1.0,
        engine="gallim",
        order="random",
        steps=steps,
        batch_size=size,
        gradient_accumulation=1,
        gradient_checkpointing=False,
        checkpoint_every=10**6,
        lora=None,
    )


def common(walk: Optimisation, folder: Path, *, seed: int = 0, checkpointing: bool = False) -> dict[str, Any]:
    """The arguments of every trainer; nothing is logged or saved."""
    given = arguments(walk, COMPUTE, seed, folder)
    return given | {
        "activation_checkpointing": checkpointing,
        "save_strategy": "no",
        "logging_strategy": "no",
        "logging_first_step": False,
    }


# ---- DPO -------------------------------------------------------------------------------------------------------------


def their_dpo(models: Models, data: Sequence[Group], size: int, *, best: bool) -> PairsTrainer:
    """TRL's: with cached reference and without checkpointing at its `best`, the other way round by default."""
    entry = _dpo(size)
    given: dict[str, Any] = {
        **common(entry.optimisation, models.folder / "trl", checkpointing=not best),
        **dpo.trl_arguments(entry),
        "max_length": None,
        "precompute_ref_log_probs": best,
        "disable_dropout": True,
    }
    trainer = PairsTrainer(
        model=models.reference(),
        ref_model=None if best else models.reference(),
        args=DPOConfig(**given),
        train_dataset=dataset(list(data)),
        processing_class=models.tokenizer,
    )
    models.move(trainer.model)
    return _ready(trainer)


def our_dpo(models: Models, data: Sequence[Group], size: int) -> GroupTrainer:
    """Ours, with the reference's sums in the groups."""
    entry = _dpo(size)
    trainer = GroupTrainer(
        models.policy(),
        Preferences(dpo, entry),
        with_reference(models, data),
        common(entry.optimisation, models.folder / "ours"),
        entry.optimisation,
        COMPUTE,
        models.tokenizer,
        dropout=False,
    )
    return _ready(trainer)


def with_reference(models: Models, data: Sequence[Group]) -> list[Group]:
    """The same groups with the reference's log-probabilities, computed here."""
    known = References.compute(Scorer(models.reference()), data, "reference", COMPUTE).sums(data)
    return [group._replace(meta=Known(*known[2 * n : 2 * n + 2])) for n, group in enumerate(data)]


def their_step(trainer: Any, batches: Sequence[Sequence[int]], data: Sequence[Group]) -> Side:
    """training_step on batch `round % batches`, each a list of micro-batches' worth of row numbers."""
    state: dict[str, list[Group]] = {}

    def prepare(number: int) -> Any:
        trainer.model.zero_grad(set_to_none=True)
        wanted = batches[number % len(batches)]
        state["groups"] = [data[row] for row in wanted]
        rows = [trainer.train_dataset[row] for row in wanted]
        size = trainer.args.per_device_train_batch_size
        trainer.current_gradient_accumulation_steps = -(-len(rows) // size)
        return [trainer.data_collator(rows[start : start + size]) for start in range(0, len(rows), size)]

    def run(parts: Any) -> torch.Tensor:
        return torch.stack([trainer.training_step(trainer.model, inputs) for inputs in parts]).sum()

    return Side(prepare, run, lambda: state["groups"])


def our_step(trainer: Any, batches: Sequence[Sequence[int]], data: Sequence[Group]) -> Side:
    """training_step on the same rows; `data` are the groups with their references."""
    state: dict[str, list[Group]] = {}

    def prepare(number: int) -> Any:
        trainer.model.zero_grad(set_to_none=True)
        state["groups"] = [data[row] for row in batches[number % len(batches)]]
        return trainer.data_collator([(number, group) for group in state["groups"]])

    def run(inputs: Any) -> torch.Tensor:
        return trainer.training_step(trainer.model, inputs, len(state["groups"]))

    return Side(prepare, run, lambda: state["groups"])


# ---- RLOO ------------------------------------------------------------------------------------------------------------


def their_rloo(
    models: Models, prompts: Sequence[Ids], completions: int, *, best: bool, reward: Any = None
) -> RLOOTrainer:
    """TRL's, with the reward model as its users give it, or a function; its reference is always computed online."""
    entry = _rloo(len(prompts), completions)
    given: dict[str, Any] = {
        **common(entry.optimisation, models.folder / "trl", checkpointing=not best),
        **rloo.trl_arguments(entry),
        "max_completion_length": LONGEST,
        "steps_per_generation": 1,
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 0,
        "disable_dropout": True,
    }
    trainer = RLOOTrainer(
        model=models.reference(),
        reward_funcs=reward or models.reward(),
        reward_processing_classes=None if reward else models.tokenizer,
        args=RLOOConfig(**given),
        train_dataset=Dataset.from_dict({"prompt": [text(prompt) for prompt in prompts]}),
        processing_class=models.tokenizer,
    )
    models.move(trainer.model)
    return _ready(trainer)


class Watched(Rollouts):
    """Rollouts that remember what they gave."""

    given: list[Group]

    def prepare(self, scorer: Scorer, batch: Sequence[Group], place: int) -> list[Group]:
        self.given = super().prepare(scorer, batch, place)
        return self.given


def our_rloo(
    models: Models, prompts: Sequence[Ids], completions: int, *, reward: Reward | None = None
) -> GroupTrainer:
    """Ours, with the same reward model on ids, or a function."""
    entry = _rloo(len(prompts), completions)
    reward = reward or Scorer(models.reward()).rewards
    drawing = Drawing(reward, EOS, LONGEST, COMPUTE.tokens_at_once, seed=0)
    objective = Watched(rloo, entry, drawing, Reference(Scorer(models.reference())))
    trainer = GroupTrainer(
        models.policy(),
        objective,
        [Group(prompt, ()) for prompt in prompts],
        common(entry.optimisation, models.folder / "ours"),
        entry.optimisation,
        COMPUTE,
        models.tokenizer,
        dropout=False,
    )
    return _ready(trainer)


def their_rollout(trainer: Any, prompts: Sequence[Ids]) -> Side:
    """A whole step: samples, scores, rewards, loss and backward pass."""
    repeated = [{"prompt": text(prompt)} for prompt in prompts for _ in range(trainer.num_generations)]
    draws = count()  # a round's two runs sample anew, too, so that lengths even out

    def prepare(_: int) -> Any:
        trainer.model.zero_grad(set_to_none=True)
        torch.manual_seed(next(draws))
        return repeated

    return Side(
        prepare,
        lambda inputs: trainer.training_step(trainer.model, inputs, None),
        lambda: their_samples(trainer, prompts),
    )


def our_rollout(trainer: Any, prompts: Sequence[Ids]) -> Side:
    """The same step, ours."""
    objective: Any = trainer.objective
    draws = count()

    def prepare(_: int) -> Any:
        trainer.model.zero_grad(set_to_none=True)
        place = next(draws)
        return trainer.data_collator([(place, Group(prompt, ())) for prompt in prompts])

    def run(inputs: Any) -> torch.Tensor:
        items = sum(map(objective.items, inputs["batch"].groups()))
        return trainer.training_step(trainer.model, inputs, items)

    return Side(prepare, run, lambda: objective.given)


def their_samples(trainer: RLOOTrainer, prompts: Sequence[Ids]) -> list[Group]:
    """What TRL's last step sampled; it shuffles the rows, so they are gathered by prompt."""
    assert trainer._buffered_inputs is not None
    found: dict[Ids, list[Ids]] = {prompt: [] for prompt in prompts}
    (last,) = trainer._buffered_inputs
    for prompt, prompt_mask, completion, mask in zip(
        last["prompt_ids"], last["prompt_mask"], last["completion_ids"], last["completion_mask"], strict=True
    ):
        row = found[tuple(prompt[prompt_mask.bool()].tolist())]
        row.append(tuple(completion[mask.bool()].tolist()))
    return [Group(prompt, tuple(rows)) for prompt, rows in found.items()]


# ----------------------------------------------------------------------------------------------------------------------


def _dpo(size: int) -> dpo.Config:
    return dpo.Config(method="dpo", optimisation=optimisation(size), beta=BETA)


def _rloo(prompts: int, completions: int) -> rloo.Config:
    return rloo.Config(
        method="rloo",
        optimisation=optimisation(prompts * completions),
        beta=0.05,
        completions=completions,
        reward="model",
        eos_penalty=0.0,
    )


def _ready(trainer: T) -> T:
    """The trainer as its train() has it before the first step."""
    model: Any = trainer.model
    if trainer.args.activation_checkpointing:
        model.activation_checkpointing_enable()
    trainer.current_gradient_accumulation_steps = 1
    model.train()
    return trainer
