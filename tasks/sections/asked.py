"""Who is asked for verdicts, and how: the blocks `feedback` and `duel`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tasks.settings import Section, Seed

JUDGES = frozenset({"exact", "rouge", "rougeL", "reward"})  # who judges without an endpoint


class ModelSource(Section):
    """A model that answers once a document: models/base, models/sft, or the directory at own.feedback."""

    kind: Literal["model"]
    model: Literal["base", "sft", "own"]
    temperature: Annotated[float, Field(gt=0, le=10, description="divides the logits; no top-k, no top-p")]


class LeadSource(Section):
    """The document's first sentence, or a dialogue's first turn."""

    kind: Literal["lead"]


class JudgeTeacher(Section):
    """The judge of the block `judge`; the evaluation's too, so a branch learns from what measures it."""

    kind: Literal["judge"]


class RewardTeacher(Section):
    """Fold A's reward model."""

    kind: Literal["reward"]


class EndpointTeacher(Section):
    """A model behind an OpenAI-compatible endpoint; its key is OPENAI_API_KEY of the environment and no parameter."""

    kind: Literal["endpoint"]
    url: Annotated[
        str,  # it stands in reports, in MLflow and in git: a user or a key in it would, too
        Field(pattern=r"^https?://[^\s@?#]+$", description="base address, mostly ending in /v1"),
    ]
    model: Annotated[str, Field(min_length=1)]
    rubric: Annotated[
        str, Field(pattern=r"^[\w][\w.-]*$", description="assets/rubrics/<rubric>.txt, on a scale of 1 to 10")
    ]
    temperature: Annotated[float | None, Field(ge=0, le=2, description="of the reply; null sends none")]
    reply_tokens: Annotated[
        int | None, Field(ge=1, description="longest reply, sent as max_tokens; null sends none")
    ]
    concurrency: Annotated[int, Field(ge=1, le=256, description="requests under way at once")]
    max_attempts: Annotated[int, Field(ge=1, le=20, description="of one request, before the stage stops")]
    timeout_seconds: Annotated[float, Field(gt=0, description="of one attempt")]


Source = Annotated[ModelSource | LeadSource, Field(discriminator="kind")]
SourceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]


class Feedback(Section):
    """AI feedback (Tunstall et al. 2023, arXiv 2310.16944): what every entry of branches.feedback is trained on."""

    seed: Seed
    documents: Annotated[
        int | None, Field(ge=1, description="at most so many training documents, or null for all")
    ]
    batch_size: Annotated[int, Field(ge=1, description="completions decoded at once")]
    sources: Annotated[
        dict[SourceName, Source], Field(min_length=2, description="who answers each document once")
    ]
    teacher: Annotated[JudgeTeacher | RewardTeacher | EndpointTeacher, Field(discriminator="kind")]
    rejected: Annotated[
        Literal["random", "worst"], Field(description="of the answers that scored less than the best")
    ]


class Price(Section):
    """What an endpoint costs, in any one currency; 0 for a server of one's own."""

    input: Annotated[float, Field(ge=0, description="of a million tokens that are sent")]
    output: Annotated[float, Field(ge=0, description="of a million tokens of reply")]
    reply_tokens: Annotated[int, Field(ge=1, description="expected of a reply, for the estimate")]
    max_cost: Annotated[float, Field(ge=0, description="the stage does not start on an estimate above it")]


class EndpointJudge(EndpointTeacher):
    """The same, asked which of two summaries is better."""

    rubric: Annotated[
        str, Field(pattern=r"^[\w][\w.-]*$", description="assets/duels/<rubric>.txt, with {mark} in it")
    ]
    requests_per_minute: Annotated[int | None, Field(ge=1, description="at most; null for any number")]
    price: Price


def _judge_name(given: str) -> str:
    """An endpoint's name in the report and in file names."""
    if given in JUDGES or not re.fullmatch(r"[A-Za-z0-9_]{1,80}", given):
        raise ValueError(f"letters, digits and _ only, and not one of {', '.join(sorted(JUDGES))}")
    return given


class Duel(Section):
    """Judges who read two summaries at once; without any, the stage `duel` is not in the graph."""

    seed: Annotated[Seed, Field(description="of the order in which prompts are judged")]
    prompts: Annotated[
        int | None, Field(ge=2, description="at most so many evaluated prompts, or null for all")
    ]
    batch: Annotated[int, Field(ge=1, description="prompts judged before a look at what is decided")]
    alpha: Annotated[
        float | None,
        Field(
            gt=0, lt=1, description="chance of any pair's false decision; null judges on to the last prompt"
        ),
    ]
    judges: dict[Annotated[str, AfterValidator(_judge_name)], EndpointJudge]
