"""Iterated training: how a round's data are made (the block `iterate`), and what an entry of branches.iterated adds."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Annotated, Literal

from pydantic import Field, create_model, field_validator, model_validator

from tasks.settings import Branch, Count, Section, Seed, Share


class Unlabelled(Section):
    """The documents of prepare that have no summary; each round takes others of them."""

    kind: Literal["unlabelled"]


class OwnDocuments(Section):
    """Documents at own.unlabelled; each round takes others of them."""

    kind: Literal["own"]


class Written(Section):
    """Documents that models/base writes after examples, each kept or dropped by the filters of Self-Instruct.

    Wang et al. 2022, arXiv 2212.10560, section 2.2; by Self-Rewarding with 6 + 2 examples at T = 0.6 and p = 0.9.
    """

    kind: Literal["written"]
    examples: Annotated[int, Field(ge=1, description="training documents in a prompt")]
    written_examples: Annotated[int, Field(ge=0, description="documents in it that were written before")]
    temperature: Annotated[float, Field(gt=0, le=10)]
    top_p: Annotated[float, Field(gt=0, le=1)]
    tokens: Annotated[int, Field(ge=8, description="longest document")]
    characters: Annotated[
        list[Count], Field(min_length=2, max_length=2, description="shortest and longest that is kept")
    ]
    similarity: Annotated[
        Share, Field(description="ROUGE-L F1 with any other document from which one is dropped")
    ]
    keywords: Annotated[list[str], Field(description="a document that holds one of them is dropped")]
    attempts: Annotated[int, Field(ge=1, description="prompts for a document that is wanted, at most")]

    @field_validator("characters")
    @classmethod
    def _shortest_first(cls, value: list[int]) -> list[int]:
        if value[0] > value[1]:
            raise ValueError("the shortest stands first")
        return value


class Taught(Section):
    """What M1 learns: summaries (IFT) and judgings of fold A's samples (EFT)."""

    summaries: Annotated[int, Field(ge=0, description="training documents with their summaries")]
    judgings: Annotated[int, Field(ge=1, description="judged samples, with the judge's points written down")]


class Iterate(Section):
    """Self-Rewarding Language Models (Yuan et al. 2024, arXiv 2401.10020), and iterated DPO with a reward model."""

    seed: Seed
    language: Annotated[Literal["ko", "en"], Field(description="of rubric and judgings")]
    rubric: Annotated[
        Literal["full", "short"],
        Field(description="assets/judging/<language>.<rubric>.txt; short for who has learned to judge"),
    ]
    taught: Taught
    prompts: Annotated[
        Unlabelled | OwnDocuments | Written,
        Field(discriminator="kind", description="where a round's documents are from"),
    ]
    documents: Annotated[int, Field(ge=1, description="new ones a round")]
    candidates: Annotated[int, Field(ge=2, le=64, description="answers a document")]
    temperature: Annotated[float, Field(gt=0, le=10, description="of answers and judgings")]
    top_p: Annotated[float, Field(gt=0, le=1, description="of answers and judgings")]
    judgements: Annotated[int, Field(ge=1, le=64, description="judgings an answer, whose mean is its score")]
    judgement_tokens: Annotated[int, Field(ge=4, description="longest judging")]
    batch_size: Annotated[int, Field(ge=1, description="completions decoded at once")]
    bar: Annotated[
        float,
        Field(
            ge=0.5, lt=1, description="share of labelled pairs that a judge has to order rightly, more than"
        ),
    ]
    below_bar: Annotated[
        Literal["stop", "reward"], Field(description="stop, or fold A's reward model judges in its place")
    ]
    positive: Annotated[float, Field(gt=0, le=5, description="least score of what method supervised learns")]
    max_length_gap: Annotated[
        Share | None, Field(description="of a pair's lengths, as a share of the longer one; null for any")
    ]


@cache
def iterated_config(method: ModuleType) -> type[Branch]:
    """The method's Config with what it goes on from, and who judges."""

    def fits(self: Branch) -> Branch:
        if self.optimisation.engine != "gallim":
            raise ValueError("TRL's trainers know no other start than models/sft; set engine: gallim")
        if method.FAMILY == "taught" and self.judge != "self":  # pyright: ignore[reportAttributeAccessIssue]
            raise ValueError(f"method {self.method} learns from scores of 0 to 5; set judge: self")
        return self

    return create_model(
        method.Config.__name__,
        __base__=method.Config,
        __module__=method.__name__,
        __validators__={"_iteration_fits": model_validator(mode="after")(fits)},
        after=(
            Annotated[str, Field(description="sft, or an entry of branches.taught or branches.iterated")],
            ...,
        ),
        judge=(
            Annotated[Literal["self", "reward"], Field(description="who scores the answers of M_t")],
            ...,
        ),
    )
