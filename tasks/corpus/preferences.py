"""A user's own rows, as text or as chat messages: preferences (prompt, chosen, rejected) and ratings of one summary."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.refusal import Refusal

Messages = list[dict[str, str]]


def own_rows(path: Path, render_chat: Callable[[Messages], str]) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Rows for data/pairs without scores, and the counts of rows left out (identical, empty) by reason.

    A text prompt is taken as the model will see it; messages go through the tokenizer's chat template.
    """
    rows, dropped = [], Counter()
    for place, row in _read(path, "own.pairs"):
        if not all(row.get(name) for name in ("prompt", "chosen", "rejected")):
            dropped["empty"] += 1
            continue
        prompt = _prompt(row["prompt"], place, render_chat)
        chosen, rejected = (_completion(row[name], place, name) for name in ("chosen", "rejected"))
        if not chosen or not rejected:
            dropped["empty"] += 1
        elif chosen == rejected:
            dropped["identical"] += 1
        else:
            rows.append(_row(place, prompt, chosen, rejected))
    if not rows:
        raise Refusal(
            str(path),
            f"holds no usable preference row ({dict(dropped)})",
            "give rows of prompt, chosen and rejected",
        )
    return rows, dropped


def own_ratings(
    path: Path, render_chat: Callable[[Messages], str]
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Rows of id, prompt, completion, desirable, and the counts of rows left out (empty, twice) by reason.

    label: true or 1 for a summary that was found good, false or 0 for a bad one; one summary with both labels is an
    error.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    dropped: Counter[str] = Counter()
    for place, row in _read(path, "own.ratings"):
        if not row.get("prompt") or not row.get("completion"):
            dropped["empty"] += 1
            continue
        desirable = _label(row.get("label"), place)
        prompt = unicodedata.normalize("NFC", _prompt(row["prompt"], place, render_chat))
        completion = _completion(row["completion"], place, "completion")
        if not completion:
            dropped["empty"] += 1
            continue
        known = rows.setdefault(
            (prompt, completion),
            {"id": place, "prompt": prompt, "completion": completion, "desirable": desirable},
        )
        if known["desirable"] != desirable:
            raise Refusal(
                place, f"calls the summary of {known['id']} the other way", "keep the one that holds"
            )
        dropped["twice"] += known["id"] != place
    if not rows:
        raise Refusal(
            str(path),
            f"holds no usable rated row ({dict(dropped)})",
            "give rows of prompt, completion and label",
        )
    return list(rows.values()), +dropped


def _label(given: Any, place: str) -> bool:
    if given in (0, 1) and isinstance(given, int):  # a bool is one, a float is none
        return bool(given)
    raise Refusal(f"{place}: label", f"is {given!r}", "write true for a good summary and false for a bad one")


def _prompt(prompt: Any, place: str, render_chat: Callable[[Messages], str]) -> str:
    return prompt if isinstance(prompt, str) else render_chat(_messages(prompt, place))


def _row(place: str, prompt: str, chosen: str, rejected: str) -> dict[str, Any]:
    return {
        "id": place,
        "prompt": unicodedata.normalize("NFC", prompt),
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


def _completion(side: Any, place: str, name: str) -> str:
    """The side's text: a string, or the last assistant message of a conversation."""
    if isinstance(side, list):
        answers = [
            turn.get("content") for turn in side if isinstance(turn, dict) and turn.get("role") == "assistant"
        ]
        side = answers[-1] if answers else None
    if not isinstance(side, str):
        raise Refusal(
            f"{place}: {name}", "is neither text nor messages with an assistant's answer", "mend the row"
        )
    return unicodedata.normalize("NFC", side).strip()


def _read(path: Path, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    files = sorted(
        p for p in (path.iterdir() if path.is_dir() else [path]) if p.suffix in (".jsonl", ".parquet")
    )
    if not files:
        raise Refusal(str(path), "holds no .jsonl or .parquet file", f"put your rows there ({name})")
    for file in files:
        if file.suffix == ".parquet":
            for number, row in enumerate(_table(file), start=1):
                yield f"{file.name}:{number}", row
            continue
        for number, line in enumerate(_lines(file), start=1):
            if line.strip():
                yield f"{file.name}:{number}", _object(f"{file}:{number}", line)


def _table(file: Path) -> list[dict[str, Any]]:
    try:
        return pq.read_table(file).to_pylist()
    except (OSError, pa.ArrowException) as error:
        cause = " ".join(str(error).split())[:200]
        raise Refusal(str(file), f"cannot be read as parquet ({cause})", "write it again") from error


def _lines(file: Path) -> list[str]:
    try:
        return file.read_bytes().decode("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(str(file), f"cannot be read as UTF-8 ({error})", "convert it to UTF-8") from error


def _object(place: str, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise Refusal(place, f"is not JSON ({error})", "one JSON object a line") from error
    if not isinstance(row, dict):
        raise Refusal(place, "is not a JSON object", "one object a line")
    return row
