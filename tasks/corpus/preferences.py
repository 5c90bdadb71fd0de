"""A user's own rows, as text or as chat messages: preferences (prompt, chosen, rejected) and ratings of one summary."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.corpus import formats
from tasks.corpus.cleaning import MENDED, clean
from tasks.refusal import Refusal

Messages = list[dict[str, str]]


def own_rows(path: Path, render_chat: Callable[[Messages], str]) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Rows for data/pairs without scores, and counts: rows left out (identical, empty), and mended ones among the kept.

    A text prompt is taken as the model will see it, in NFC; messages are cleaned and go through the tokenizer's chat
    template, and both completions are cleaned as prepare cleans a summary.
    """
    rows, counts = [], Counter()
    for place, row in _read(path, "own.pairs"):
        if not all(row.get(name) for name in ("prompt", "chosen", "rejected")):
            counts["empty"] += 1
            continue
        with _told(place):
            prompt, notes = _prompt(row["prompt"], place, render_chat)
            chosen, rejected = (_completion(row[name], place, name, notes) for name in ("chosen", "rejected"))
        if not chosen or not rejected:
            counts["empty"] += 1
        elif chosen == rejected:
            counts["identical"] += 1
        else:
            counts["mended"] += bool(notes)
            rows.append(_row(place, prompt, chosen, rejected))
    if not rows:
        raise Refusal(
            str(path),
            f"holds no usable preference row ({dict(+counts)})",
            "give rows of prompt, chosen and rejected",
        )
    return rows, +counts


def own_ratings(
    path: Path, render_chat: Callable[[Messages], str]
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Rows of id, prompt, completion, desirable, and counts: rows left out (empty, twice), and mended ones of the rest.

    label: true or 1 for a summary that was found good, false or 0 for a bad one; one summary with both labels is an
    error.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    counts: Counter[str] = Counter()
    for place, row in _read(path, "own.ratings"):
        if not row.get("prompt") or not row.get("completion"):
            counts["empty"] += 1
            continue
        desirable = _label(row.get("label"), place)
        with _told(place):
            prompt, notes = _prompt(row["prompt"], place, render_chat)
            completion = _completion(row["completion"], place, "completion", notes)
        if not completion:
            counts["empty"] += 1
            continue
        counts["mended"] += bool(notes)
        known = rows.setdefault(
            (prompt, completion),
            {"id": place, "prompt": prompt, "completion": completion, "desirable": desirable},
        )
        if known["desirable"] != desirable:
            raise Refusal(
                place, f"calls the summary of {known['id']} the other way", "keep the one that holds"
            )
        counts["twice"] += known["id"] != place
    if not rows:
        raise Refusal(
            str(path),
            f"holds no usable rated row ({dict(+counts)})",
            "give rows of prompt, completion and label",
        )
    return list(rows.values()), +counts


@contextmanager
def _told(place: str) -> Iterator[None]:
    """Names the row in what is found in it."""
    try:
        yield
    except UnicodeEncodeError as error:
        cause = f"a lone surrogate (U+{ord(error.object[error.start]):04X}: a broken byte or escape)"
        raise Refusal(place, cause, "convert the row to UTF-8") from error
    except Refusal as refusal:
        if refusal.place.startswith(place):
            raise
        raise Refusal(f"{place}: prompt", refusal.cause, refusal.cure) from refusal


def _label(given: Any, place: str) -> bool:
    if given in (0, 1) and isinstance(given, int):  # a bool is one, a float is none
        return bool(given)
    raise Refusal(f"{place}: label", f"is {given!r}", "write true for a good summary and false for a bad one")


def _prompt(prompt: Any, place: str, render_chat: Callable[[Messages], str]) -> tuple[str, Counter[str]]:
    """The prompt's text, and what was mended in it; a special token that a message spells would end its turn."""
    notes: Counter[str] = Counter()
    if not isinstance(prompt, str):
        said = [{**turn, "content": _cleaned(turn["content"], notes)} for turn in _messages(prompt, place)]
        prompt = render_chat(said)
    prompt.encode("utf-8")
    composed = unicodedata.normalize("NFC", prompt)
    return composed, notes + Counter(not_nfc=int(composed != prompt))


def _cleaned(text: str, notes: Counter[str]) -> str:
    """The text as prepare cleans it; adds to `notes` what had to be mended."""
    found, mended = clean(text)
    notes.update({name: count for name, count in mended.items() if name in MENDED})
    return found


def _row(place: str, prompt: str, chosen: str, rejected: str) -> dict[str, Any]:
    return {
        "id": place,
        "prompt": prompt,
        "chosen": chosen,
        "rejected": rejected,
        "score_chosen": None,
        "score_rejected": None,
        "margin": None,
        "characters_chosen": len(chosen),
        "characters_rejected": len(rejected),
        "gold": None,
        "judge": None,
    }


def _messages(prompt: Any, place: str) -> Messages:
    """The prompt's turns, each with a role and a content that are text."""
    turns = prompt if isinstance(prompt, list) else [None]
    for turn in turns:
        told = [turn.get(name) for name in ("role", "content")] if isinstance(turn, dict) else [None]
        if not all(isinstance(part, str) for part in told):
            cause = "is neither text nor messages of role and content"
            raise Refusal(f"{place}: prompt", cause, "mend the row")
    return turns


def _completion(side: Any, place: str, name: str, notes: Counter[str]) -> str:
    """The side's text: a string, or the last assistant message of a conversation; cleaned."""
    if isinstance(side, list):
        answers = [
            turn.get("content") for turn in side if isinstance(turn, dict) and turn.get("role") == "assistant"
        ]
        side = answers[-1] if answers else None
    if not isinstance(side, str):
        raise Refusal(
            f"{place}: {name}", "is neither text nor messages with an assistant's answer", "mend the row"
        )
    return _cleaned(side, notes)


def _read(path: Path, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every row with its place; one that is none refuses the whole file, as pairs are few and made with care."""
    for file in formats.files(path, name):
        for number, row in formats.lines(file):
            if isinstance(row, Refusal):
                raise row
            yield f"{file.name}:{number}", row
