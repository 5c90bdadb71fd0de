"""The stage prepare: rows of a source, cleaned and split without leaks, as parquet; reasons for the rest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from tasks.corpus import counts, lengths, rejects, splitting
from tasks.corpus.duplicates import key
from tasks.corpus.records import Record, usable
from tasks.corpus.rows import SCHEMA, SPLITS, UNLABELLED, Placed, write
from tasks.corpus.sources import records
from tasks.refusal import Refusal
from tasks.sections.documents import EmbeddedSource, FileSource, HubSource, Own, Prepare

FOLDER = Path("data/prepared")
REJECTS = FOLDER / "rejects.jsonl"

Metrics = dict[str, float | int | str | bool | None]
Source = EmbeddedSource | FileSource | HubSource
Divided = tuple[list[Placed], list[Refusal]]  # rows kept, and why the others went


def run(prepare: Prepare, own: Own) -> Metrics:
    """Writes data/prepared and returns its counts; too many refused rows stop it after rejects.jsonl."""
    source = prepare.source
    place = _check(source, own)
    rows, refused = _read(records(source, own.documents))
    if not rows and not refused:
        raise Refusal(place, "has no row", "give it documents with their summaries")
    read = len(rows) + len(refused)

    def kept(divided: Divided) -> list[Placed]:
        refused.extend(divided[1])
        rejects.keep(refused, read, prepare.max_reject_share, REJECTS)
        return divided[0]

    rows = kept(_dated(rows, source))
    rows = kept(lengths.within(rows, prepare.max_document_characters, prepare.long_documents))
    extra = [placed for placed in rows if placed.split == "unlabelled"]
    labelled = [placed for placed in rows if placed.split != "unlabelled"]
    labelled = splitting.grouped(labelled, prepare.near_duplicate_similarity)
    alike = counts.alike(labelled)
    labelled = kept(splitting.separate(_assigned(labelled, source)))
    chosen = _sampled(labelled, source)
    _verify(chosen, source, place)
    unseen = _unseen(extra, chosen)
    metrics: Metrics = {
        "rows_read": read,
        "rejected": len(refused),
        "reject_share": round(len(refused) / read, 6),
        "train_rows_not_sampled": len(labelled) - len(chosen),
        "unlabelled_rows_equal_to_a_test": len(extra) - len(unseen),
        "rows_unlabelled": len(_train(chosen)) + len(unseen),
        **alike,
        **counts.described(chosen),
    }
    _write(chosen, unseen)
    rejects.write_text(_report(metrics, refused, [*chosen, *unseen]), FOLDER / "report.json")
    return metrics


def _check(source: Source, own: Own) -> str:
    """The source's place; stops at parameters that contradict each other, before anything is read."""
    names = {"embedded": "the embedded corpus", "files": own.documents}
    origin = source.id if isinstance(source, HubSource) else names[source.kind]
    if isinstance(source, EmbeddedSource) or source.split.by == "given":
        return origin
    place = "params.yaml: prepare.source"
    if source.split.by == "date" and source.fields.date is None:
        raise Refusal(place, "split.by is date, and fields.date is null", "name the field of the date")
    if source.split.validation + source.split.test >= 1:
        raise Refusal(
            place, "split.validation and split.test leave no row to train on", "make their sum less than 1"
        )
    return origin


def _read(source: Iterable[Record | Refusal]) -> Divided:
    """Usable rows, and the refusals of the others; of two rows with one id the second is refused."""
    rows, refused, places = [], [], {}
    for record in source:
        try:
            if isinstance(record, Refusal):
                raise record
            placed = usable(record)
            first = places.setdefault(placed.row.id, placed.place)
            if first != placed.place:
                cure = "give each row its own id, or set prepare.source.fields.id to null"
                raise Refusal(placed.place, f"the id of an earlier row ({placed.row.id[:80]}, {first})", cure)
            rows.append(placed)
        except Refusal as refusal:
            refused.append(refusal)
    return rows, refused


def _dated(rows: list[Placed], source: Source) -> Divided:
    """All rows, or those with a date where the split needs one."""
    if isinstance(source, EmbeddedSource) or source.split.by != "date":
        return rows, []
    cause, cure = (
        "no date that can be read",
        "give it as 2024-01-31, or set prepare.source.split.by to document",
    )
    undated = [placed for placed in rows if placed.row.date is None]
    return [placed for placed in rows if placed.row.date], [
        Refusal(one.place, cause, cure) for one in undated
    ]


def _assigned(rows: list[Placed], source: Source) -> list[Placed]:
    if isinstance(source, EmbeddedSource) or source.split.by == "given":
        return rows
    split = source.split
    return splitting.assign(rows, split.by, split.validation, split.test, split.seed)


def _sampled(rows: list[Placed], source: Source) -> list[Placed]:
    if isinstance(source, EmbeddedSource) or source.max_train is None:
        return rows
    return splitting.sampled(rows, source.max_train, source.split.seed)


def _verify(rows: Sequence[Placed], source: Source, place: str) -> None:
    """Stops at a split that should have rows and has none, or at anything that stands in two splits."""
    wanted = set(SPLITS)
    if not isinstance(source, EmbeddedSource) and source.split.by != "given":
        wanted -= {split for split in ("validation", "test") if getattr(source.split, split) == 0}
    for split in SPLITS:
        if split in wanted and not any(placed.split == split for placed in rows):
            cure = f"see {REJECTS}, and give more rows or other shares under prepare.source.split"
            raise Refusal(place, f"no usable row for {split}", cure)
    for leak in splitting.leaks(rows):
        raise AssertionError(leak)


def _train(rows: Sequence[Placed]) -> list[Placed]:
    return [placed for placed in rows if placed.split == "train"]


def _unseen(extra: Sequence[Placed], labelled: Sequence[Placed]) -> list[Placed]:
    """The further rows whose document is no validation or test document."""
    tests = {key(placed.row.document) for placed in labelled if placed.split != "train"}
    return [placed for placed in extra if key(placed.row.document) not in tests]


def _write(labelled: Sequence[Placed], unseen: Sequence[Placed]) -> None:
    for split in SPLITS:
        rows = [placed.row for placed in labelled if placed.split == split]
        write(rows, FOLDER / f"{split}.parquet", SCHEMA)
    unlabelled = [placed.row for placed in [*_train(labelled), *unseen]]
    write(unlabelled, FOLDER / "unlabelled.parquet", UNLABELLED)


def _report(metrics: Metrics, refused: Sequence[Refusal], kept: Sequence[Placed]) -> str:
    told = {
        "metrics": metrics,
        "refused": rejects.causes(refused),
        "noted": counts.noted(kept),
        "rows_kept": counts.by_file(kept),
    }
    return json.dumps(told, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
