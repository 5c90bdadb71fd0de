"""Whether a prompt that is trained on holds a document that is tested on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from tasks.corpus.duplicates import key
from tasks.refusal import Refusal

HEAD = 40  # characters of a document's beginning by which it is looked for; a shorter document is one head
HELD_OUT = (Path("data/prepared/validation.parquet"), Path("data/prepared/test.parquet"))


def held_out() -> dict[str, str]:
    """Every validation and test document, without regard to white space, with its place."""
    return {
        key(document): f"{path}: {name}"
        for path in HELD_OUT
        for name, document in zip(
            *(pq.read_table(path).column(column).to_pylist() for column in ("id", "document")), strict=True
        )
    }


def leaked(prompts: Sequence[str], documents: dict[str, str]) -> list[tuple[int, str]]:
    """The number of each prompt that holds one of the documents, and that document's place."""
    heads: dict[str, list[str]] = {}
    for document in documents:
        heads.setdefault(document[:HEAD], []).append(document)
    lengths = sorted({len(head) for head in heads})
    found = []
    for number, prompt in enumerate(map(key, prompts)):
        whole = next((one for one in _within(prompt, heads, lengths)), None)
        if whole is not None:
            found.append((number, documents[whole]))
    return found


def require_none(name: str, ids: Sequence[str], prompts: Sequence[str]) -> None:
    """Nothing, or a Refusal that names the first row whose prompt holds a document of the tests."""
    found = leaked(prompts, held_out())
    if found:
        number, place = found[0]
        raise Refusal(
            f"{name}: {ids[number]}",
            f"its prompt holds a held-out document ({place}), as do those of {len(found)} of {len(ids)} rows",
            "leave these rows out; what is trained on a test document cannot be tested on it",
        )


def _within(prompt: str, heads: dict[str, list[str]], lengths: Iterable[int]) -> Iterable[str]:
    for length in lengths:
        for start in range(len(prompt) - length + 1):
            for document in heads.get(prompt[start : start + length], ()):
                if prompt.startswith(document, start):
                    yield document
