"""The documents: what the source holds before it is prepared, and empty, identical and leaked rows afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pyarrow.parquet as pq

from tasks.corpus.duplicates import key
from tasks.preflight.finding import Finding, failure, not_yet, note, refused, warning
from tasks.preflight.seen import Rows, Seen
from tasks.refusal import Refusal


def findings(seen: Seen) -> Iterator[Finding]:
    """On the prepared splits where they are current, else on the first rows of the source."""
    try:
        splits = seen.splits
    except Refusal as refusal:
        yield refused("rows", refusal)
        return
    if not splits:
        cause = "the rows of a dataset of the Hub are not fetched by a check"
        yield not_yet("rows", "params.yaml: prepare.source", cause, "the stage prepare")
        return
    if "test" not in splits:
        yield from _unread(seen)
        return
    for split, rows in splits.items():
        yield from _of_split(split, rows)
    yield from _between(splits)


def _unread(seen: Seen) -> Iterator[Finding]:
    rows, mended, refusals = seen.unread
    place, most = str(seen.given.prepare.source.kind), seen.given.prepare.max_reject_share
    seen_rows = len(rows) + len(refusals)
    if not rows:
        cause = f"none of its first {seen_rows} rows is usable" if seen_rows else "has no row"
        first = refusals[0] if refusals else None
        yield failure("rows", first.place if first else place, first.cause if first else cause,
                      first.cure if first else "give it documents with their summaries")  # fmt: skip
        return
    if refusals:
        first, share = refusals[0], len(refusals) / seen_rows
        cause = f"{len(refusals)} of the first {seen_rows} rows are refused, the first: {first.cause}"
        level = failure if share > most else warning
        yield level("rows", first.place, cause, first.cure, refused=len(refusals), read=seen_rows)
    longest = max(len(row["document"]) for row in rows)
    if longest > seen.given.prepare.max_document_characters and seen.given.prepare.long_documents == "error":
        cause = f"a document of {longest} characters, and {seen.given.prepare.max_document_characters} are allowed"
        yield failure("rows", place, cause, "raise prepare.max_document_characters, or set long_documents")
    told = ", ".join(f"{name} {count}" for name, count in sorted(mended.items())) or "nothing"
    yield note(
        "rows", place, f"first {seen_rows} rows read, {len(rows)} usable; mended: {told}", usable=len(rows)
    )
    yield not_yet(
        "rows",
        "data/prepared",
        "the rows are not prepared yet",
        "the stage prepare splits them without leaks",
    )


def _of_split(split: str, rows: Rows) -> Iterator[Finding]:
    if not rows.rows:
        if split == "train":
            yield failure("rows", rows.place, "holds no row", "give more documents")
        return
    empty = [row["id"] for row in rows.rows if not row["document"].strip() or not row["summary"].strip()]
    same = [row["id"] for row in rows.rows if key(row["document"]) == key(row["summary"])]
    for name, found in (("an empty document or summary", empty), ("a summary equal to its document", same)):
        if found:
            cause = f"{len(found)} of {len(rows.rows)} rows have {name}, {found[0]} first"
            yield failure(
                "rows", rows.place, cause, "leave them out of the source and run `dvc repro prepare`"
            )
    copies = len(rows.rows) - len({key(row["document"]) for row in rows.rows})
    if copies:
        cause = f"{copies} of {len(rows.rows)} documents stand there twice"
        yield warning("rows", rows.place, cause, "give each document once: it counts more than others")
    longer = sum(len(row["summary"]) > len(row["document"]) for row in rows.rows)
    if longer:
        cause = f"{longer} of {len(rows.rows)} summaries are longer than their documents"
        yield warning("rows", rows.place, cause, "look at them: a model learns to invent from such rows")
    cause = f"{rows.of} rows, {len(rows.rows)} looked at; none empty, none equal to its document"
    if not empty and not same:
        yield note("rows", rows.place, cause, rows=rows.of)


def _between(splits: dict[str, Rows]) -> Iterator[Finding]:
    """Documents that stand in two splits, all rows read."""
    keys = {split: _keys(rows.place) for split, rows in splits.items()}
    for one, other in combinations(keys, 2):
        shared = keys[one].keys() & keys[other].keys()
        if shared:
            name = keys[other][min(shared)]
            cause = f"{len(shared)} documents stand in {one} as well, {name} first"
            cure = "run `dvc repro --force prepare`; if it stays, report it"
            yield failure("leak", splits[other].place, cause, cure, shared=len(shared))


def _keys(path: str) -> dict[str, str]:
    """The row's id by its document, without regard to white space."""
    table = pq.read_table(path, columns=["id", "document"])
    names, documents = (table.column(name).to_pylist() for name in ("id", "document"))
    return {key(document): name for name, document in zip(names, documents, strict=True)}
