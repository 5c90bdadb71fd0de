"""A record of a source, made a clean row or refused with its place, cause and cure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.corpus.cleaning import clean
from tasks.corpus.dates import iso
from tasks.corpus.rows import Placed, Row
from tasks.corpus.turns import flatten
from tasks.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Record:
    """What stands at a place of a source: raw values of the mapped fields, by our names."""

    place: str
    split: str | None
    values: Mapping[str, Any]
    notes: Counter[str]


def usable(record: Record) -> Placed:
    """The clean row, its group still empty; a Refusal says why there is none."""
    try:
        return _row(record)
    except UnicodeEncodeError as error:
        code = ord(error.object[error.start])
        cause = f"a lone surrogate (U+{code:04X}: a broken byte or escape)"
        raise Refusal(record.place, cause, "convert the row to UTF-8") from error


def _row(record: Record) -> Placed:
    values, place = record.values, record.place
    if values["document"] is None:
        raise Refusal(place, "no document (missing or null)", "give the row its document, or remove it")
    document, notes = flatten(values["document"], place)
    summary, mended = _summary(values["summary"], place)
    title, mended_title = _title(values.get("title"))
    date = iso(values.get("date"))
    _compare(document, summary, place)
    notes = record.notes + notes + mended + mended_title
    notes += Counter(unreadable_dates=int(date is None and values.get("date") not in (None, "")))
    identifier = _identifier(record)
    row = Row(identifier, document, summary, title, date, values.get("facts"), group="", truncated=False)
    return Placed(row, place, record.split, +notes)


def _summary(value: Any, place: str) -> tuple[str, Counter[str]]:
    if value is None:
        raise Refusal(place, "no summary (missing or null)", "give the row its summary, or remove it")
    if not isinstance(value, str):
        raise Refusal(place, f"the summary is not text ({type(value).__name__})", "give the summary as text")
    return clean(value)


def _compare(document: str, summary: str, place: str) -> None:
    if not document:
        raise Refusal(
            place, "the document is empty after cleaning", "give the row its document, or remove it"
        )
    if not summary:
        raise Refusal(place, "the summary is empty after cleaning", "give the row its summary, or remove it")
    if " ".join(document.split()) == " ".join(summary.split()):
        raise Refusal(
            place, "the document equals the summary", "give the row a summary of its own, or remove it"
        )


def _title(value: Any) -> tuple[str | None, Counter[str]]:
    if value is None:
        return None, Counter()
    if not isinstance(value, str):
        return None, Counter(unreadable_titles=1)
    title, notes = clean(value)
    return title or None, notes


def _identifier(record: Record) -> str:
    """The row's id as text; where no field is mapped, the file and line it stands at."""
    if "id" not in record.values:
        return record.place.rsplit("/", 1)[-1]
    value = record.values["id"]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or not clean(str(value))[0]:
        cure = "give the row an id, or set prepare.source.fields.id to null"
        raise Refusal(record.place, "no id (missing, empty or not text)", cure)
    return " ".join(clean(str(value))[0].split())
