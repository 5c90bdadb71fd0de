"""How branches are trained alike, evaluated and compared: the blocks `align`, `evaluate` and `compare`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tasks.sections.trunk import OwnModel
from tasks.settings import HubModel, Section, Seed


class Limit(Section):
    """A limit of one number, and what happens to a training that reaches it."""

    limit: Annotated[float, Field(gt=0)]
    then: Annotated[
        Literal["stop", "flag"], Field(description="the training ends there, or the report says so")
    ]


class Watch(Section):
    """Numbers of a training's curve that go wrong; null for one that is not looked at."""

    kl: Annotated[Limit | None, Field(description="to the reference, nats a token, of own answers; at least")]
    equal_rewards: Annotated[
        Limit | None, Field(description="share of prompts whose answers all have one reward; at least")
    ]
    cut_off: Annotated[Limit | None, Field(description="share of answers that never end; at least")]
    shortened: Annotated[
        Limit | None, Field(description="mean tokens of an answer, as a share of the first step's; at most")
    ]


class Align(Section):
    """What all branches' trainings share."""

    snapshots: Annotated[
        int,
        Field(
            ge=0,
            le=16,
            description="whole models kept on the way of each training, for the frontier; 0 for none",
        ),
    ]
    watch: Watch


class Bertscore(Section):
    """BERTScore (Zhang et al. 2020, arXiv 1904.09675) by an encoder of the Hub, or by the directory at own.encoder."""

    source: Annotated[HubModel | OwnModel, Field(discriminator="kind")]
    layer: Annotated[
        int, Field(ge=1, description="whose vectors are compared; 9 for bert-base-multilingual-cased")
    ]


class Evaluate(Section):
    split: Literal["validation", "test"]
    seed: Seed
    samples: Annotated[
        int, Field(ge=1, description="sampled summaries a document, T = 1, for KL and gold reward")
    ]
    best_of: Annotated[
        int,
        Field(ge=1, le=64, description="N of SFT's Best-of-N line, by fold A's reward model; 1 for no line"),
    ]
    snapshot_prompts: Annotated[
        int,
        Field(
            ge=2,
            description="first documents of the split, on which snapshots are measured, for the frontier",
        ),
    ]
    batch_size: Annotated[int, Field(ge=1, description="completions decoded at once")]
    bertscore: Annotated[Bertscore | None, Field(description="an encoder and its layer, or null for none")]


class Compare(Section):
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    resamples: Annotated[
        int, Field(ge=1000, description="bootstrap resamples and sign patterns over prompts")
    ]
    seed: Seed
    wanted_difference: Annotated[
        float,
        Field(gt=0, le=1, description="in the headline, for which the report says how many prompts it takes"),
    ]
    wanted_win_gap: Annotated[float, Field(gt=0, lt=1, description="the same between two win rates")]
