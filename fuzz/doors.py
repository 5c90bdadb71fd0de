"""The readers of people's files, and what became of a bad case that lay between good rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tasks import prepare
from tasks.corpus import rated
from tasks.corpus.preferences import own_ratings, own_rows
from tasks.corpus.sources import records
from tasks.corpus.unlabelled import own_documents
from tasks.measures.verdicts import Verdicts
from tasks.people import answers
from tasks.refusal import Refusal
from tasks.sections.documents import FileSource

NOTHING = "nothing came, and nothing was said"
REFUSED, CLEANED, KEPT, LEFT_OUT = "refused", "cleaned", "as it was", "left out, counted"
LOST, SILENT, TRACEBACK, BARE = (
    "good rows lost",
    "changed in silence",
    "tracebacks",
    "no place, cause or cure",
)
FAULTS = (LOST, SILENT, TRACEBACK, BARE)

Row = dict[str, Any]
FIELDS = {"document": "document", "summary": "summary", "id": "id", "title": "title", "date": "date"}
SOURCE = FileSource.model_validate(
    {
        "kind": "files",
        "fields": FIELDS,
        "split": {"by": "document", "validation": 0.1, "test": 0.1, "seed": 0},
        "max_train": None,
    }
)


class Door(NamedTuple):
    """`good` makes the good row of a number; `read` gives every row that arrived, as comparable texts, and counts."""

    name: str
    good: Callable[[int], Row]
    texts: tuple[str, ...]  # fields that hold text
    read: Callable[[Path], tuple[list[tuple[str, ...]], Counter[str]]]


def _talk(number: int) -> str:
    return f"{number}번째 글은 {number * 7919 % 100_003}호에 대해 말하고, 그 밖의 것은 말하지 않는다."


def _documents(path: Path) -> tuple[list[tuple[str, ...]], Counter[str]]:
    rows, refused = prepare._read(records(SOURCE, str(path)))
    for refusal in refused:
        require_told(refusal)
    counts = Counter(refused=len(refused))
    for one in rows:
        counts += one.notes
    return [(one.row.document, one.row.summary) for one in rows], +counts


def _chat(messages: list[dict[str, str]]) -> str:
    return "".join(f"<{one['role']}>{one['content']}" for one in messages)


def _pairs(path: Path) -> tuple[list[tuple[str, ...]], Counter[str]]:
    rows, counts = own_rows(path, _chat)
    return [(row["prompt"], row["chosen"], row["rejected"]) for row in rows], counts


def _ratings(path: Path) -> tuple[list[tuple[str, ...]], Counter[str]]:
    rows, counts = own_ratings(path, _chat)
    return [(row["prompt"], row["completion"]) for row in rows], counts


def _rated(path: Path) -> tuple[list[tuple[str, ...]], Counter[str]]:
    pairs, counts = rated.read(path, {}, None)
    return [(pair.document, pair.left, pair.right) for pair in pairs], counts


def _unlabelled(path: Path) -> tuple[list[tuple[str, ...]], Counter[str]]:
    rows, counts = own_documents(path)
    return [(text,) for _, text in rows], counts


def _answers(path: Path) -> tuple[list[tuple[str, ...]], Counter[str]]:
    content = path.read_bytes()
    path.write_bytes(content + b"\n")  # a line without its end is half an answer, which is none
    return [(row["question"], row["id"]) for row in answers.read(path)], Counter()


def _verdicts(path: Path) -> tuple[list[tuple[str, ...]], Counter[str]]:
    known = Verdicts(path)._known
    counts = Counter(asked_again=path.read_bytes().count(b"\n") + 1 - len(known))
    return [(line["key"], line["reply"]) for line in known.values()], +counts


def _answer(number: int) -> Row:
    told = {
        "question": f"q{number}",
        "id": f"d{number}",
        "verdict": "a",
        "rater": "kim",
        "seed": 0,
        "left": "a",
    }
    return {**told, "at": "2024-01-01"}


DOORS = (
    Door(
        "documents",
        lambda n: {
            "id": f"id-{n}",
            "document": _talk(n),
            "summary": f"{n}호에 온다.",
            "title": "글",
            "date": "2024-01-31",
        },
        ("document", "summary", "id", "title", "date"),
        _documents,
    ),
    Door(
        "own pairs",
        lambda n: {
            "prompt": f"{_talk(n)}\n요약: ",
            "chosen": f"{n}호에 온다.",
            "rejected": f"{n}호에 안 온다.",
        },
        ("prompt", "chosen", "rejected"),
        _pairs,
    ),
    Door(
        "own ratings",
        lambda n: {"prompt": _talk(n), "completion": f"{n}호에 온다.", "label": bool(n % 2)},
        ("prompt", "completion"),
        _ratings,
    ),
    Door(
        "rated set",
        lambda n: {
            "document": _talk(n),
            "summary_a": "온다.",
            "summary_b": f"{n}호에 온다.",
            "preference": "a",
        },
        ("document", "summary_a", "summary_b", "preference"),
        _rated,
    ),
    Door("unlabelled", lambda n: {"document": _talk(n)}, ("document",), _unlabelled),
    Door("people's answers", _answer, ("question", "id", "verdict", "rater"), _answers),
    Door(
        "judges' replies",
        lambda n: {"key": f"{n:064x}", "model": "m", "reply": f"VERDICT: {n}"},
        ("key", "model", "reply"),
        _verdicts,
    ),
)


def arrived(door: Door, good: Row) -> tuple[str, ...]:
    """The texts by which this door's reader would give the good row."""
    names = {
        "documents": ("document", "summary"),
        "unlabelled": ("document",),
        "people's answers": ("question", "id"),
    }
    names |= {"judges' replies": ("key", "reply"), "own ratings": ("prompt", "completion")}
    names |= {
        "own pairs": ("prompt", "chosen", "rejected"),
        "rated set": ("document", "summary_a", "summary_b"),
    }
    return tuple(good[name] for name in names[door.name])


def require_told(refusal: Refusal) -> None:
    """Nothing, or an AssertionError where the refusal is not one line of place, cause and cure."""
    assert refusal.place.strip(), "no place"
    assert refusal.cause.strip(), "no cause"
    assert refusal.cure.strip(), "no cure"
    assert "\n" not in str(refusal), "more than a line"
    str(refusal).encode("utf-8")


def refused(refusal: Refusal) -> str:
    """REFUSED, or BARE where it is not told as it should be."""
    try:
        require_told(refusal)
    except (AssertionError, UnicodeError):
        return BARE
    return REFUSED


def outcome(door: Door, path: Path, good: Sequence[Row], bad: Row | None = None) -> str:
    """What became of the bad case in the file: one of the words above; `bad` is its row where it is one."""
    try:
        rows, counts = door.read(path)
    except Refusal as refusal:
        return refused(refusal)
    except AssertionError:
        return BARE
    except Exception:
        return TRACEBACK
    wanted = [arrived(door, row) for row in good]
    if any(row not in rows for row in wanted):
        return LOST
    more = [row for row in rows if row not in wanted]
    if not more:
        return LEFT_OUT if counts or (bad and _is_good(door, bad, wanted)) else NOTHING
    if counts:
        return CLEANED
    return KEPT if bad is None or all(_unchanged(row, bad) for row in more) else SILENT


def _is_good(door: Door, bad: Mapping[str, Any], wanted: Sequence[tuple[str, ...]]) -> bool:
    """Whether the row says no more than a good one that is there."""
    try:
        return arrived(door, dict(bad)) in wanted
    except KeyError:
        return False


def _unchanged(row: tuple[str, ...], bad: Mapping[str, Any]) -> bool:
    """Whether every text that arrived is one that was given, but for spaces at its ends; a list is joined."""
    if any(isinstance(value, list) for value in bad.values()):
        return True
    given = {value.strip() for value in bad.values() if isinstance(value, str)}
    return all(text.strip() in given for text in row)


def line_of(row: Row) -> bytes:
    """The row as a line of jsonl; half characters as JSON spells them."""
    try:
        return json.dumps(row, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(row).encode()
