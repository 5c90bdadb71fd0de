"""Where documents and summaries come from, and which are taken: the blocks `own` and `prepare`."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tasks.settings import Count, Section, Seed, Share


def _stays(given: str) -> str:
    """The path: an absolute one, or one below the project, of which a run's worktree gets a copy."""
    if ".." in PurePath(given).parts:
        raise ValueError("goes up by `..`; give an absolute path, or one inside the project")
    if not given.isprintable():
        raise ValueError("holds a sign that no file name should have")
    return given


Place = Annotated[str, AfterValidator(_stays)]


class Own(Section):
    """Where the user's own files are; DVC watches these paths, so a change of their bytes re-runs what reads them."""

    documents: Place
    pairs: Place
    ratings: Place
    base: Place
    sft: Place
    reward: Place
    feedback: Place
    unlabelled: Place
    encoder: Place


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
