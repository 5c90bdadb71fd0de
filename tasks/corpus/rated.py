"""A set that people have rated, as pairs of summaries of one document: what a judge is held against.

Rows of a jsonl, csv or parquet file, in one of three forms (docs/judges.md):

    document, summary_a, summary_b, preference    a pair; preference is a, b or tie
    document, summary, score                      a rated summary; those of one document are paired, each with each
    document, candidates                          the same in one row: a list of summary and score, or of summary and
                                                  scores by criterion

and in each of them, for a judge that needs one, `reference` or `references`, of which the first is taken, and an `id`
of the document. Columns of other names are named by the caller.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tasks.corpus import formats
from tasks.corpus.cleaning import clean
from tasks.refusal import Refusal

FORMS = (
    ("document", "summary_a", "summary_b", "preference"),
    ("document", "summary", "score"),
    ("document", "candidates"),
)
COLUMNS = ("id", "reference", "references", *dict.fromkeys(name for form in FORMS for name in form))
PREFERRED = {"a": 1.0, "b": 0.0, "tie": 0.5}
EQUAL = 1e-9  # means of a few raters, in thirds say, that differ by rounding alone
CURE = f"give rows of {'; or of '.join(', '.join(form) for form in FORMS)}, or name the columns by --field"


class RatedPair(NamedTuple):
    """human: 1 where people prefer the left, 0 the right, 0.5 where they call them equal."""

    id: str
    document: str
    reference: str | None
    left: str
    right: str
    human: float


class _Rated(NamedTuple):
    summary: str
    score: float


def read(path: Path, names: Mapping[str, str], criterion: str | None) -> tuple[list[RatedPair], Counter[str]]:
    """Every pair of the file, in its order, and counts: documents with one rated summary alone, which make no pair.

    names: the file's column by our name, where they differ; criterion: one of `scores`, None for their mean.
    """
    if path.suffix.lower() not in formats.READERS:
        raise Refusal(str(path), "is no jsonl, csv or parquet file", "convert it")
    unknown = next((name for name in names if name not in COLUMNS), None)
    if unknown:
        raise Refusal(
            "command line", f"--field names no column {unknown!r}", f"known are {', '.join(COLUMNS)}"
        )
    found: list[RatedPair] = []
    ratings: dict[str, tuple[str, str | None, list[_Rated]]] = {}
    for place, row in _rows(path, names):
        document, reference = _text(row, "document", place), _reference(row, place)
        name = str(document if row.get("id") in (None, "") else row["id"])
        if "preference" in row:
            found.append(_pair(row, name, document, reference, place))
        else:
            first, _, some = ratings.setdefault(name, (document, reference, []))
            if first != document:
                cause = f"{name[:80]!r} stood for another document before"
                raise Refusal(f"{place}: id", cause, "give each document an id of its own")
            some += _rated(row, criterion, place)
    found += [pair for name, whole in ratings.items() for pair in _each_with_each(name, *whole)]
    if not found:
        raise Refusal(str(path), "holds no two rated summaries of one document", CURE)
    return found, +Counter(alone=sum(len(some) == 1 for _, _, some in ratings.values()))


def _rows(path: Path, names: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each row by our names, with its place."""
    for number, row in formats.lines(path):
        if isinstance(row, Refusal):
            raise row
        ours = {
            name: row[names.get(name, name)] for name in COLUMNS if row.get(names.get(name, name)) is not None
        }
        if not any(all(name in ours for name in form) for form in FORMS):
            raise Refusal(f"{path}:{number}", f"has the columns {', '.join(row)}", CURE)
        yield f"{path}:{number}", ours


def _pair(row: Mapping[str, Any], name: str, document: str, reference: str | None, place: str) -> RatedPair:
    preferred = PREFERRED.get(str(row["preference"]).strip().lower())
    if preferred is None:
        raise Refusal(f"{place}: preference", f"is {row['preference']!r}", "write a, b or tie")
    left, right = (_text(row, side, place) for side in ("summary_a", "summary_b"))
    return RatedPair(name, document, reference, left, right, preferred)


def _rated(row: Mapping[str, Any], criterion: str | None, place: str) -> list[_Rated]:
    candidates = row.get("candidates", [row])
    if not isinstance(candidates, list) or not all(isinstance(one, Mapping) for one in candidates):
        raise Refusal(f"{place}: candidates", "is no list of objects", CURE)
    if not candidates:
        raise Refusal(f"{place}: candidates", "is empty", "give its rated summaries, or take the row out")
    return [_Rated(_text(one, "summary", place), _score(one, criterion, place)) for one in candidates]


def _score(row: Mapping[str, Any], criterion: str | None, place: str) -> float:
    scores = row.get("scores")
    if scores is None:
        return _number(row.get("score"), f"{place}: score")
    if not isinstance(scores, Mapping) or not scores:
        raise Refusal(f"{place}: scores", "is no object of numbers", CURE)
    if criterion is None:
        return sum(_number(value, f"{place}: scores") for value in scores.values()) / len(scores)
    if criterion not in scores:
        raise Refusal(
            f"{place}: scores", f"has no {criterion!r}", f"--criterion is one of {', '.join(scores)}"
        )
    return _number(scores[criterion], f"{place}: {criterion}")


def _each_with_each(
    name: str, document: str, reference: str | None, some: Sequence[_Rated]
) -> Iterator[RatedPair]:
    for left, right in itertools.combinations(some, 2):
        margin = left.score - right.score
        human = 0.5 if abs(margin) < EQUAL else float(margin > 0)
        yield RatedPair(name, document, reference, left.summary, right.summary, human)


def _reference(row: Mapping[str, Any], place: str) -> str | None:
    given = row.get("references")
    if given is not None and not isinstance(given, list):
        raise Refusal(f"{place}: references", "is no list", "name the column by --field reference=...")
    if given:
        return _text({"references": given[0]}, "references", place)
    return _text(row, "reference", place) if "reference" in row else None


def _text(row: Mapping[str, Any], name: str, place: str) -> str:
    if not isinstance(row.get(name), str):
        raise Refusal(f"{place}: {name}", "is no text", "mend the row")
    if not row[name].isascii() and any("\ud800" <= sign <= "\udfff" for sign in row[name]):
        raise Refusal(
            f"{place}: {name}", "is not UTF-8, or holds half a character", "convert the row to UTF-8"
        )
    if name == "document" and not clean(row[name])[0]:
        raise Refusal(f"{place}: {name}", "is empty", "give the row its document, or take it out")
    return row[name]


def _number(given: Any, place: str) -> float:
    try:
        found = float("nan") if isinstance(given, bool) or "_" in str(given) else float(given)
    except (TypeError, ValueError, OverflowError):
        found = float("nan")
    if not abs(found) < float("inf"):
        raise Refusal(place, f"is {given!r}", "write a number")
    return found
