"""params.yaml, read once and validated into frozen sections; every field says its unit and bound."""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import signature
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SerializeAsAny,
    ValidationError,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tasks import methods
from tasks.refusal import Refusal
from tasks.settings import (
    FAMILIES,
    Branch,
    Compute,
    Count,
    HubModel,
    Optimisation,
    ScratchBase,
    Section,
    Seed,
    Share,
    Text,
    Tuning,
    nearest,
)

READS = {"feedback": "pairs"}  # a family that has another's methods
RESERVED = frozenset({"base", "sft", "reward", "methods", "own"})
JUDGES = frozenset({"exact", "rouge", "rougeL", "reward"})  # who judges without an endpoint


class Own(Section):
    """Where the user's own files are; DVC watches these paths, so a change of their bytes re-runs what reads them."""

    documents: str
    pairs: str
    ratings: str
    base: str
    sft: str
    reward: str
    feedback: str
    encoder: str


class EmbeddedSource(Section):
    """The embedded corpus of Korean everyday dialogues."""

    kind: Literal["embedded"]
    seed: Seed
    train: Count
    validation: Count
    test: Count
    unlabelled: Annotated[int, Field(ge=0, description="further dialogues without summary, for pretraining")]


class Fields(Section):
    """Column names of the source; a field that the source lacks is null."""

    document: Annotated[
        str, Field(description="text, or a list of turns or sentences; dotted for nested JSON")
    ]
    summary: str
    id: str | None
    title: str | None
    date: Annotated[
        str | None, Field(description="ISO date or year first; later dates go to validation and test")
    ]


class Split(Section):
    """How rows without a given split are divided; near duplicates always stay together."""

    by: Literal["given", "date", "document"]
    validation: Share
    test: Share
    seed: Seed


class FileSource(Section):
    """Local jsonl, csv or parquet at own.documents; in a folder, split `given` reads train*, validation*, test*."""

    kind: Literal["files"]
    fields: Fields
    split: Split
    max_train: Annotated[
        int | None, Field(ge=1, description="at most so many training rows, or null for all")
    ]


class HubSource(Section):
    """A dataset of the Hugging Face Hub at a pinned revision."""

    kind: Literal["hub"]
    id: str
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$", description="full commit hash")]
    fields: Fields
    split: Split
    max_train: Annotated[int | None, Field(ge=1)]


class Prepare(Section):
    source: Annotated[EmbeddedSource | FileSource | HubSource, Field(discriminator="kind")]
    max_document_characters: Annotated[int, Field(ge=20)]
    long_documents: Literal["error", "drop", "truncate"]
    near_duplicate_similarity: Annotated[
        float, Field(gt=0, le=1, description="Jaccard over 5-character shingles")
    ]
    max_reject_share: Share


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
        str, Field(pattern=r"^https?://[^\s@]+$", description="base address, mostly ending in /v1")
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
    if given in JUDGES or not re.fullmatch(r"[A-Za-z0-9_]+", given):
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


class TrainedReward(Section):
    """Bradley-Terry reward model that starts from models/sft."""

    kind: Literal["train"]
    seed: Seed
    center: Annotated[float, Field(ge=0, description="coefficient of (r_chosen + r_rejected)^2")]
    optimisation: Optimisation


class Reward(Section):
    source: Annotated[TrainedReward | OwnModel, Field(discriminator="kind")]


def _name(given: str) -> str:
    """The branch's name, as it stands in file names."""
    if given in RESERVED or not re.fullmatch(r"[A-Za-z0-9_]+", given):
        raise ValueError(f"letters, digits and _ only, and not one of {', '.join(sorted(RESERVED))}")
    return given


def _of_family(family: str) -> Callable[[Any], Branch]:
    """Reads an entry by the Config of its own method."""

    def entry(given: Any) -> Branch:
        if not isinstance(given, dict) or not isinstance(given.get("method"), str):
            raise ValueError("needs `method:`, the name of a file in tasks/methods")
        try:
            method = methods.load(given["method"])
        except Refusal as refusal:
            raise ValueError(f"{refusal.cause}; {refusal.cure}") from refusal
        if family == "base":
            _without_reference(method)
        elif READS.get(family, family) != method.FAMILY:
            raise ValueError(f"method {given['method']} belongs under branches.{method.FAMILY}")
        found = method.Config.model_validate(given)
        if found.optimisation.engine == "trl" and not hasattr(method, "trl_arguments"):
            raise ValueError(f"TRL has no trainer of {found.method}; set engine: gallim")
        return found

    return entry


def _without_reference(method: ModuleType) -> None:
    """Nothing, or an error: what starts from the base has models/sft neither behind it nor beside it."""
    if method.FAMILY != "pairs" or any("reference" in name for name in signature(method.loss).parameters):
        name = method.__name__.rpartition(".")[2]
        raise ValueError(
            f"method {name} compares with models/sft and cannot start from the base; "
            f"move it to branches.{method.FAMILY}"
        )


Known = TypeVar("Known", bound=Section)
Name = Annotated[str, AfterValidator(_name)]
PairsEntry = Annotated[SerializeAsAny[Branch], BeforeValidator(_of_family("pairs"))]
BaseEntry = Annotated[SerializeAsAny[Branch], BeforeValidator(_of_family("base"))]
FeedbackEntry = Annotated[SerializeAsAny[Branch], BeforeValidator(_of_family("feedback"))]
UnpairedEntry = Annotated[SerializeAsAny[Branch], BeforeValidator(_of_family("unpaired"))]
BestEntry = Annotated[SerializeAsAny[Branch], BeforeValidator(_of_family("best"))]
OnlineEntry = Annotated[SerializeAsAny[Branch], BeforeValidator(_of_family("online"))]
DistilEntry = Annotated[SerializeAsAny[Branch], BeforeValidator(_of_family("distil"))]
CriticEntry = Annotated[SerializeAsAny[Branch], BeforeValidator(_of_family("critic"))]


class Branches(Section):
    """The entries to compare, by family: what a family's methods read."""

    pairs: dict[Name, PairsEntry]
    base: dict[Name, BaseEntry]
    feedback: dict[Name, FeedbackEntry]
    unpaired: dict[Name, UnpairedEntry]
    best: dict[Name, BestEntry]
    online: dict[Name, OnlineEntry]
    distil: dict[Name, DistilEntry]
    critic: dict[Name, CriticEntry]

    @model_validator(mode="after")
    def _names_differ(self) -> Branches:
        names = sorted(name for family in FAMILIES for name in getattr(self, family))
        twice = [one for one, other in pairwise(names) if one == other]
        if twice:
            raise ValueError(f"the name {twice[0]!r} stands in two families; rename one")
        return self

    def family(self, name: str) -> str:
        """Where this branch stands."""
        return next(family for family in FAMILIES if name in getattr(self, family))

    def entries(self) -> dict[str, Branch]:
        """Every branch by name, in the order of params.yaml."""
        return {name: entry for family in FAMILIES for name, entry in getattr(self, family).items()}


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


class Parameters(Section):
    seeds: Annotated[list[Seed], Field(min_length=1)]
    compute: Compute
    own: Own
    text: Text
    prepare: Prepare
    base: Base
    sft: Sft
    sample: Sample
    judge: Judge
    pairs: Pairs
    reward: Reward
    feedback: Feedback
    branches: Branches
    tuning: Annotated[
        dict[str, Tuning], Field(description="by branch; who is not in it has settings by hand")
    ]
    align: Align
    evaluate: Evaluate
    duel: Duel
    compare: Compare

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, value: list[int]) -> list[int]:
        if len(set(value)) < len(value):
            raise ValueError("a seed stands twice")
        return value

    @model_validator(mode="after")
    def _tuned_branches_are_there(self) -> Parameters:
        known = self.branches.entries()
        for name in self.tuning:
            if name not in known:
                raise ValueError(f"tuning: there is no branch {name!r}; {nearest(name, known)}")
        return self

    @model_validator(mode="after")
    def _best_of_those_sampled(self) -> Parameters:
        for name, entry in self.branches.best.items():
            wanted, drawn = getattr(entry, "best_of", 0), self.sample.completions
            if wanted > drawn:
                raise ValueError(
                    f"branches.best.{name}.best_of is {wanted}, and sample.completions draws {drawn}; change one"
                )
        return self


def read(path: Path = Path("params.yaml")) -> Parameters:
    """The whole of params.yaml, validated; a Refusal names every wrong place at once."""
    return read_as(Parameters, path)


def read_as(kind: type[Known], path: Path) -> Known:
    """The same of a file of another kind."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(str(path), f"cannot be read as YAML ({error})", "mend the file") from error
    return parse(kind, text, str(path))


def parse(kind: type[Known], text: str, place: str) -> Known:
    """The same of its text, which stands at `place`."""
    try:
        given = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        cause = " ".join(str(error).split())
        raise Refusal(place, f"cannot be read as YAML ({cause})", "mend the file") from error
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise Refusal(place, _told(error), f"mend {Path(place).name}; nothing was run") from error


def _told(error: ValidationError) -> str:
    tags = {"embedded", "files", "hub", "shipped", "scratch", "own", "train", "sampled"}
    tags |= {"judge", "reward", "endpoint", "model", "lead"}
    lines = []
    for item in error.errors():
        place = [str(part) for part in item["loc"]]
        kept = [part for i, part in enumerate(place) if not (part in tags and _chosen(place[:i]))]
        kept = [part for part in kept if part != "[key]"]  # pydantic's mark of a name, not of its value
        message = item["msg"].removeprefix("Value error, ")
        shown = "" if isinstance(item["input"], dict) else f" (given: {item['input']!r})"
        lines.append(f"{'.'.join(kept) or 'top level'}: {message}{shown}")
    return "; ".join(lines)


def _chosen(place: list[str]) -> bool:
    """Whether pydantic names a block's kind behind this place, which is no name in the file."""
    return place[-1:] in (["source"], ["teacher"]) or place[-2:-1] == ["sources"]
