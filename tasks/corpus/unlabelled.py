"""A user's own documents that nobody has summarized."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tasks.corpus import formats
from tasks.corpus.cleaning import MENDED
from tasks.corpus.duplicates import key
from tasks.corpus.turns import flatten
from tasks.refusal import Refusal


def own_documents(path: Path) -> tuple[list[tuple[str, str]], Counter[str]]:
    """Id and text of each document, and counts: rows left out (empty, twice), and mended as prepare mends them.

    Rows of jsonl, csv or parquet with `document`: text, a list of sentences or a list of turns.
    """
    rows: dict[str, tuple[str, str]] = {}
    dropped: Counter[str] = Counter()
    for file in formats.files(path, "own.unlabelled"):
        for number, line in formats.lines(file):
            if isinstance(line, Refusal):
                raise line
            place = f"{file.name}:{number}"
            text, notes = _text(line.get("document"), f"{file}:{number}")
            given = line.get("document")
            as_given = not isinstance(given, str) or text == given.strip()
            dropped["mended"] += not as_given or any(name in MENDED for name in notes)
            if not text or key(text) in rows:
                dropped["twice" if text else "empty"] += 1
                continue
            rows[key(text)] = (place, text)
    if not rows:
        raise Refusal(str(path), f"holds no usable document ({dict(+dropped)})", "give rows of `document`")
    return list(rows.values()), +dropped


def _text(document: object, place: str) -> tuple[str, Counter[str]]:
    """Empty where there is none; what was mended in it."""
    try:
        return flatten(document, place) if document else ("", Counter())
    except UnicodeEncodeError as error:
        raise Refusal(place, "holds a lone surrogate (a broken byte)", "convert the row to UTF-8") from error
