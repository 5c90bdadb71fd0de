"""The numbers of an evaluation once more: means of its stored rows, and the rows of their stored texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.measures import mismatches, texts
from tasks.measures.evaluations import AGAIN, DECODINGS, KEY, TEXTS, Evaluation
from tasks.measures.mismatches import Mismatch

SHOWN = 3  # rows of one column that are named; the others are counted


def means(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    """Mean of every measure by decoding, rounded to 6 digits; a measure without a value in a decoding has none."""
    decodings = np.array(evaluation.table.column("decoding").to_pylist())
    found: dict[str, dict[str, float]] = {decoding: {} for decoding in DECODINGS}
    for name in evaluation.table.column_names:
        if name in (*KEY, *TEXTS):
            continue
        values = evaluation.column(name)
        for decoding, told in found.items():
            chosen = values[decodings == decoding]
            if not np.isnan(chosen).any():
                told[name] = round(float(chosen.mean()), 6)
    return found


def summary(evaluation: Evaluation, place: str) -> Iterator[Mismatch]:
    """Each mean of summary.json that is not the one of the rows."""
    kept = {decoding: evaluation.summary.get(decoding) for decoding in DECODINGS}
    for name, told, found in mismatches.between(kept, means(evaluation)):
        yield _unlike(place, name, told, f"the rows give {mismatches.shown(found)}")


def metrics(kept: Mapping[str, Any], evaluation: Evaluation, place: str) -> Iterator[Mismatch]:
    """Each number of the stage's metrics that does not follow from its rows, or its summary says otherwise."""
    flat = {
        f"{each}_{name}": value for each, told in means(evaluation).items() for name, value in told.items()
    }
    for name, told in kept.items():
        wanted = flat.get(name, evaluation.summary.get(name, told))
        if not mismatches.same(told, wanted):
            yield _unlike(place, name, told, f"the rows give {mismatches.shown(wanted)}")


def read_again(
    table: pa.Table, documents: Mapping[str, Mapping[str, Any]], kind: str, place: str, *, whole: bool
) -> Iterator[Mismatch]:
    """Each stored number that its text is not worth, by the judge of this kind; by every measure of a text if `whole`.

    A text that stands in several rows of a document is judged once.
    """
    if not set(table["id"].to_pylist()) <= documents.keys():
        yield Mismatch(place, "holds a row of no document of the split", AGAIN)
        return
    keys = list(zip(table["id"].to_pylist(), table["prediction"].to_pylist(), strict=True))
    distinct = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    places = [distinct[key] for key in keys]
    some, theirs = [text for _, text in distinct], [dict(documents[name]) for name, _ in distinct]
    columns = texts.judged(some, theirs, kind) | (texts.seen(some, theirs) if whole else {})
    for name, values in columns.items():
        if name not in table.column_names:
            yield Mismatch(f"{place}: {name}", "the column is missing", AGAIN)
            continue
        yield from _rows(table, name, [values[n] for n in places], place)


def _rows(table: pa.Table, name: str, anew: list[Any], place: str) -> Iterator[Mismatch]:
    """Those rows of a column that are worth something else."""
    kept = table[name].to_pylist()
    wrong = [number for number, both in enumerate(zip(kept, anew, strict=True)) if not mismatches.same(*both)]
    for number in wrong[:SHOWN]:
        key = " ".join(str(table[part][number].as_py()) for part in KEY)
        yield _unlike(
            place, f"{key}: {name}", kept[number], f"its text is worth {mismatches.shown(anew[number])}"
        )
    if len(wrong) > SHOWN:
        yield Mismatch(f"{place}: {name}", f"{len(wrong) - SHOWN} more rows are worth something else", AGAIN)


def _unlike(place: str, name: str, told: Any, otherwise: str) -> Mismatch:
    return Mismatch(f"{place}: {name}", f"stands as {mismatches.shown(told)}, and {otherwise}", AGAIN)
