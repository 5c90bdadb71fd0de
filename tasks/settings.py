"""The blocks that sections of params.yaml share. Nothing here has a default: a number lives once, in params.yaml."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

FAMILIES = (
    "pairs",
    "base",
    "feedback",
    "cured",
    "unpaired",
    "best",
    "online",
    "distil",
    "critic",
    "taught",
    "iterated",
)  # what a method reads, and where it starts

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Setting = int | float | str | bool | None  # a leaf of params.yaml
LearningRate = Annotated[float, Field(gt=0, le=1, description="peak learning rate of AdamW")]


def nearest(name: object, known: Iterable[str]) -> str:
    """The cure for a name that is not known."""
    near = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"


class Section(BaseModel):
    """A frozen block of params.yaml; an unknown or missing name is an error that suggests the nearest one."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _name_the_unknown(cls, given: Any) -> Any:
        if isinstance(given, dict):
            for name in given:
                if name not in cls.model_fields:
                    raise ValueError(f"unknown parameter {name!r}; {nearest(name, cls.model_fields)}")
        return given


class Compute(Section):
    """The machine's side of the numbers: change one of these and floating-point sums may change."""

    threads: Annotated[int, Field(ge=1, description="CPU threads of a stage's process")]
    trunk_threads: Annotated[
        int, Field(ge=1, description="those of sft and sample, beside which no other stage can run")
    ]
    tokens_at_once: Annotated[
        int, Field(ge=1, description="tokens of one forward pass; more are computed in parts")
    ]
    device: Literal["auto", "cpu", "cuda"]
    dtype: Literal["float32", "bfloat16"]


class Text(Section):
    """How a document becomes a prompt, the same bytes in every stage."""

    template: Annotated[str, Field(description="prompt of a tokenizer without chat template")]
    instruction: Annotated[str, Field(description="the user's turn for a tokenizer with a chat template")]
    max_completion_tokens: Annotated[int, Field(ge=4, le=4096, description="longest summary, EOS included")]

    @field_validator("template", "instruction")
    @classmethod
    def _holds_the_document(cls, value: str) -> str:
        if value.count("{document}") != 1:
            raise ValueError("must hold {document} exactly once")
        return value


class HubModel(Section):
    """A model of the Hugging Face Hub at a pinned revision; safetensors only, no remote code."""

    kind: Literal["hub"]
    id: str
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$", description="full commit hash")]


class ScratchBase(Section):
    """A Llama-shaped model and its BPE tokenizer, trained here on the training documents."""

    kind: Literal["scratch"]
    seed: Seed
    vocabulary: Annotated[int, Field(ge=300, le=65536)]
    layers: Count
    width: Count
    heads: Count
    initializer_range: Annotated[float, Field(gt=0, le=1)]
    context: Annotated[int, Field(ge=64, description="positions, in tokens")]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    steps: Count
    batch_size: Count
    echoed_lines: Annotated[int, Field(ge=0, description="lines of the document repeated behind it")]
    window: Annotated[int, Field(ge=16, description="tokens a pretraining row")]


class Lora(Section):
    """Low-rank adapters (Hu et al. 2021, arXiv 2106.09685), merged into the weights when the stage ends."""

    rank: Count
    alpha: Annotated[float, Field(gt=0, description="the update is scaled by alpha / rank")]
    dropout: Share
    modules: Annotated[str, Field(min_length=1, description="names of the layers to adapt, or all-linear")]


class Optimisation(Section):
    """How a trainer walks: AdamW, its schedule and its batches."""

    learning_rate: LearningRate
    schedule: Literal["constant", "linear", "cosine"]
    warmup_steps: Annotated[int, Field(ge=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    max_grad_norm: Annotated[float, Field(gt=0)]
    engine: Annotated[
        Literal["gallim", "trl"], Field(description="our core, or TRL's stock trainer of the same loss")
    ]
    order: Annotated[
        Literal["random", "length"], Field(description="epochs shuffled; rows of like length together")
    ]
    steps: Annotated[int, Field(ge=1, description="optimizer steps")]
    batch_size: Annotated[int, Field(ge=1, description="rows per device and micro-step")]
    gradient_accumulation: Annotated[int, Field(ge=1, description="micro-steps per optimizer step")]
    gradient_checkpointing: bool
    checkpoint_every: Annotated[int, Field(ge=1, description="optimizer steps between resumable checkpoints")]
    lora: Lora | None


class Tuning(Section):
    """By how many trials a branch's settings were chosen, and which they are; `make tune` finds it out."""

    trials: Annotated[int, Field(ge=0, description="trainings with other settings, failed ones included")]
    split: Annotated[Literal["validation"], Field(description="whose documents decided")]
    seed: Annotated[Seed, Field(description="of every trial's training")]
    measure: Annotated[str, Field(description="that decided, of greedy summaries")]
    best: Annotated[float, Field(description="the chosen trial's mean of it")]
    settings: dict[str, Setting]


class Branch(Section):
    """What every entry under `branches:` has; a method's Config adds its own coefficients."""

    method: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", description="name of a file in tasks/methods")]
    optimisation: Optimisation


class Rewarded(Branch):
    """What an entry has besides, whose method has the policy's own summaries judged."""

    reward: Annotated[
        Literal["model", "judge"],
        Field(description="fold A's reward model, or the judge that made the pairs"),
    ]
    eos_penalty: Annotated[float, Field(ge=0, description="reward lost by a completion without EOS")]
