"""A user's own documents that nobody has summarized."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tasks.corpus import formats
from tasks.corpus.duplicates import key
from tasks.corpus.turns import flatten
from tasks.refusal import Refusal


def own_documents(path: Path) -> tuple[list[tuple[str, str]], Counter[str]]:
    """Id and text of each document, cleaned as prepare cleans it, and the counts of rows left out (empty, twice).

    Rows of jsonl, csv or parquet with `document`: text, a list of sentences or a list of turns.
    """
    files = (
        sorted(one for one in path.iterdir() if one.suffix.lower() in formats.READERS)
        if path.is_dir()
        else [path]
    )
    if not files or not files[0].is_file():
        cause, cure = "holds no .jsonl, .csv or .parquet file", "put your rows there (own.unlabelled)"
        raise Refusal(str(path), cause, cure)
    rows: dict[str, tuple[str, str]] = {}
    dropped: Counter[str] = Counter()
    for file in files:
        for number, line in formats.lines(file):
            if isinstance(line, Refusal):
                raise line
            place, text = f"{file.name}:{number}", _text(line.get("document"), f"{file}:{number}")
            if not text or key(text) in rows:
                dropped["twice" if text else "empty"] += 1
                continue
            rows[key(text)] = (place, text)
    if not rows:
        raise Refusal(str(path), f"holds no usable document ({dict(dropped)})", "give rows of `document`")
    return list(rows.values()), dropped


def _text(document: object, place: str) -> str:
    """Empty where there is none."""
    try:
        return flatten(document, place)[0] if document else ""
    except UnicodeEncodeError as error:
        raise Refusal(place, "holds a lone surrogate (a broken byte)", "convert the row to UTF-8") from error
