"""What a prepared corpus counts: rows, lengths in characters, duplicates, and what cleaning had to mend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean

from tasks.corpus.duplicates import key
from tasks.corpus.rows import SPLITS, Placed

# Each kind of note that a row may carry, so that every report has the same names.
NOTES = (
    "blank_glyphs",
    "byte_order_marks",
    "control_characters",
    "dialogues",
    "edge_spaces",
    "empty_turns",
    "line_breaks",
    "not_nfc",
    "null_sentences",
    "replacement_characters",
    "special_tokens",
    "turns",
    "unparsed_turns",
    "unreadable_dates",
    "unreadable_titles",
    "zero_width",
)


def alike(rows: Sequence[Placed]) -> dict[str, int]:
    """How many rows repeat an earlier document, exactly or nearly, in whatever split."""
    distinct = len({key(placed.row.document) for placed in rows})
    groups = len({placed.row.group for placed in rows})
    return {"exact_duplicates": len(rows) - distinct, "near_duplicates": distinct - groups}


def described(placed: Sequence[Placed]) -> dict[str, float]:
    """Rows a split, mean lengths in characters, and oddities of the rows that were kept."""
    rows = [one.row for one in placed]
    sizes = Counter(one.split for one in placed)
    sizes_by_name: dict[str, float] = {f"rows_{split}": sizes[split] for split in SPLITS}
    return sizes_by_name | {
        "truncated": sum(row.truncated for row in rows),
        "mean_characters_document": round(fmean(len(row.document) for row in rows), 3),
        "mean_characters_summary": round(fmean(len(row.summary) for row in rows), 3),
        "mean_summary_to_document": round(fmean(len(row.summary) / len(row.document) for row in rows), 6),
        "summaries_longer_than_document": sum(len(row.summary) > len(row.document) for row in rows),
        "train_summaries_found_in_tests": _shared(placed),
    }


def _shared(placed: Sequence[Placed]) -> int:
    """Training rows with the very summary of a validation or test row, whose document differs."""
    tests = {key(one.row.summary) for one in placed if one.split != "train"}
    return sum(one.split == "train" and key(one.row.summary) in tests for one in placed)


def noted(placed: Sequence[Placed]) -> dict[str, dict[str, int]]:
    """For each kind of note, the rows that carry it and the times it was taken."""
    rows = Counter(name for one in placed for name in one.notes)
    times = sum((one.notes for one in placed), Counter())
    return {name: {"rows": rows[name], "times": times[name]} for name in sorted({*NOTES, *rows})}


def by_file(placed: Iterable[Placed]) -> dict[str, int]:
    """Rows kept from each file or split of the source."""
    return dict(sorted(Counter(one.place.rsplit(":", 1)[0] for one in placed).items()))
