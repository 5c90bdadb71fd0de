"""The policy for long documents, applied once, so that every later trainer sees equal rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tasks.corpus.cleaning import truncate
from tasks.corpus.duplicates import key
from tasks.corpus.rows import Placed
from tasks.refusal import Refusal


def within(rows: Sequence[Placed], limit: int, policy: str) -> tuple[list[Placed], list[Refusal]]:
    """Rows with at most `limit` characters of document, and the refused ones; `error` stops at the first."""
    kept, refused = [], []
    for placed in rows:
        length = len(placed.row.document)
        if length <= limit:
            kept.append(placed)
        elif policy == "truncate":
            _cut(placed, limit, kept, refused)
        else:
            cause = f"the document is longer than prepare.max_document_characters ({length}, not {limit})"
            cure = "raise prepare.max_document_characters, or set prepare.long_documents to truncate"
            refused.append(Refusal(placed.place, cause, cure))
    if refused and policy == "error":
        cure = "set prepare.long_documents to truncate or drop, or raise the limit"
        raise Refusal(refused[0].place, f"{refused[0].cause}, the first of {len(refused)}", cure)
    return kept, refused


def _cut(placed: Placed, limit: int, kept: list[Placed], refused: list[Refusal]) -> None:
    document = truncate(placed.row.document, limit)
    if key(document) == key(placed.row.summary):
        cause = "the truncated document equals the summary"
        refused.append(
            Refusal(placed.place, cause, "raise prepare.max_document_characters, or remove the row")
        )
    else:
        kept.append(replace(placed, row=replace(placed.row, document=document, truncated=True)))
