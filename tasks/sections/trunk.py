"""What all branches start from and learn by: the blocks `base` to `reward`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tasks.sections.objectives import Objective
from tasks.settings import HubModel, Optimisation, ScratchBase, Section, Seed


class ShippedBase(Section):
    """The tiny model in assets/base, made by `make base`."""

    kind: Literal["shipped"]


class OwnModel(Section):
    """The model directory that the block `own` names."""

    kind: Literal["own"]


class Base(Section):
    source: Annotated[ShippedBase | ScratchBase | HubModel | OwnModel, Field(discriminator="kind")]


class TrainedSft(Section):
    """Supervised fine-tuning with NEFTune (Jain et al. 2023, arXiv 2310.05914)."""

    kind: Literal["train"]
    seed: Seed
    neftune_noise_alpha: Annotated[float, Field(ge=0, description="0 switches the noise off")]
    optimisation: Optimisation


class Sft(Section):
    source: Annotated[TrainedSft | HubModel | OwnModel, Field(discriminator="kind")]


class Sample(Section):
    seed: Seed
    documents: Annotated[
        int | None, Field(ge=1, description="at most so many training documents, or null for all")
    ]
    completions: Annotated[
        int, Field(ge=2, description="sampled summaries a training document, T = 1, no top-p")
    ]
    batch_size: Annotated[int, Field(ge=1, description="completions decoded at once")]


class Judge(Section):
    kind: Literal["exact", "rouge"]


class SampledPairs(Section):
    """Best against worst of the judged samples."""

    kind: Literal["sampled"]
    min_margin: Annotated[float, Field(gt=0, le=1, description="judge score of chosen minus rejected")]


class OwnPairs(Section):
    """Preference rows at own.pairs: prompt, chosen, rejected as text or as chat messages."""

    kind: Literal["own"]


class Pairs(Section):
    source: Annotated[SampledPairs | OwnPairs, Field(discriminator="kind")]
    seed: Seed
    fold_b: Annotated[
        float, Field(gt=0, lt=1, description="share of prompts kept for the evaluation reward model")
    ]
    holdout: Annotated[
        float, Field(gt=0, lt=1, description="share of each fold kept to measure its reward model")
    ]
    planted: Annotated[
        float, Field(ge=0, lt=0.5, description="share of fold A's training labels turned on purpose; a trial")
    ]


class TrainedReward(Section):
    """Bradley-Terry reward model that starts from models/sft."""

    kind: Literal["train"]
    seed: Seed
    center: Annotated[float, Field(ge=0, description="coefficient of (r_chosen + r_rejected)^2")]
    objective: Objective
    optimisation: Optimisation

    @model_validator(mode="after")
    def _trl_ranks_alone(self) -> TrainedReward:
        if self.optimisation.engine == "trl" and self.objective.kind != "ranking":
            raise ValueError(
                f"TRL's trainer of reward models knows no {self.objective.kind}; set engine: gallim"
            )
        return self


class Reward(Section):
    source: Annotated[TrainedReward | OwnModel, Field(discriminator="kind")]
