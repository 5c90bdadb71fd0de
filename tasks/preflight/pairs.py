"""The preference pairs: empty, identical, doubled and leaked ones, and how much they prefer the longer summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tasks.corpus import leaks
from tasks.corpus.pairs import told
from tasks.corpus.preferences import own_rows
from tasks.preflight.finding import Finding, asked, failure, not_yet, note, refused, warning
from tasks.preflight.seen import Seen
from tasks.refusal import Refusal

FOLDS = ("a", "a_holdout", "b", "b_holdout")
LENGTHY = 0.6  # 'prefer the longer' beyond it (or below 1 - it) is a rule that a model finds before any other
LOOKED_AT = 20_000  # prompts searched for documents of the tests


def findings(seen: Seen) -> Iterator[Finding]:
    """On data/pairs where it is current, else on the user's own rows, else nothing yet."""
    paths = {fold: Path(f"data/pairs/{fold}.parquet") for fold in FOLDS}
    if seen.current("pairs", *paths.values()):
        folds = {fold: pq.read_table(path).to_pylist() for fold, path in paths.items()}
        yield from _written(seen, folds)
        return
    if seen.given.pairs.source.kind != "own":
        yield not_yet("pairs", "data/pairs", "there are no pairs yet", "the stage pairs")
        return
    try:
        rows, dropped = own_rows(Path(seen.given.own.pairs), lambda messages: _chat(seen, messages))
    except Refusal as refusal:
        yield refused("pairs", refusal)
        return
    mended = dropped.pop("mended", 0)
    left = ", ".join(f"{count} {reason}" for reason, count in sorted(dropped.items())) or "none"
    level = warning if dropped else (lambda *given, **numbers: note(*given[:3], **numbers))
    told = f"{len(rows)} pairs, {mended} of them mended" if mended else f"{len(rows)} pairs"
    cause = f"{told}; left out: {left}"
    yield level("pairs", seen.given.own.pairs, cause, "mend these rows, or leave them out", rows=len(rows))
    yield from _content(seen, seen.given.own.pairs, rows)


def _chat(seen: Seen, messages: list[dict[str, str]]) -> str:
    """The prompt as the tokenizer's template writes it; its plain words while there is no tokenizer."""
    if seen.start is None:
        return "\n".join(turn["content"] for turn in messages)
    from tasks.engine.text import render_chat

    return render_chat(seen.tokenizer, messages)


def _written(seen: Seen, folds: dict[str, list[dict[str, Any]]]) -> Iterator[Finding]:
    prompts = {fold: {row["prompt"] for row in rows} for fold, rows in folds.items()}
    for at, fold in enumerate(FOLDS):
        for other in FOLDS[at + 1 :]:
            shared = prompts[fold] & prompts[other]
            if shared:
                cause = f"{len(shared)} prompts stand in fold {fold} as well"
                cure = "run `dvc repro --force pairs`; a reward model would be measured on what it has seen"
                yield failure("leak", f"data/pairs/{other}.parquet", cause, cure, shared=len(shared))
    for fold, rows in folds.items():
        yield from _sides(f"data/pairs/{fold}.parquet", rows)
    every = [row for rows in folds.values() for row in rows]
    yield from _content(seen, "data/pairs", every)


def _sides(place: str, rows: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    empty = [row["id"] for row in rows if not row["chosen"].strip() or not row["rejected"].strip()]
    same = [row["id"] for row in rows if row["chosen"] == row["rejected"]]
    for name, found in (("an empty side", empty), ("two equal sides", same)):
        if found:
            cause = f"{len(found)} of {len(rows)} pairs have {name}, {found[0]} first"
            yield failure("pairs", place, cause, "run `dvc repro --force pairs`", found=len(found))


def _content(seen: Seen, place: str, rows: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    """What both kinds of pairs are asked: leaks into the tests, doubles, and length."""
    if seen.current("prepare", *leaks.HELD_OUT):
        some = rows[:LOOKED_AT]
        ids, prompts = [str(row["id"]) for row in some], [row["prompt"] for row in some]
        yield from asked("leak", lambda: leaks.require_none(place, ids, prompts))
    twice = len(rows) - len({(row["prompt"], row["chosen"], row["rejected"]) for row in rows})
    if twice:
        cure = "give each pair once: it counts more than others"
        yield warning("pairs", place, f"{twice} of {len(rows)} pairs stand there twice", cure, twice=twice)
    both = {(row["prompt"], row["chosen"], row["rejected"]) for row in rows}
    turned = sum((prompt, rejected, chosen) in both for prompt, chosen, rejected in both) // 2
    if turned:
        cause = f"{turned} pairs stand there both ways round"
        yield warning("pairs", place, cause, "keep the one that holds", turned=turned)
    yield from _length(place, rows)


def _length(place: str, rows: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    numbers = told(list(rows))
    share = numbers["longer_chosen_share"]
    cause = f"'prefer the longer' agrees with {share:.1%} of {len(rows)} pairs"
    if "length_margin_correlation" in numbers:
        cause += f"; margin and length correlate by {numbers['length_margin_correlation']:+.2f}"
    if abs(share - 0.5) > LENGTHY - 0.5:
        cure = "look at lengths in the report; a reward model has to beat this share, not 50 %"
        yield warning("length", place, cause, cure, **numbers)
    else:
        yield note("length", place, cause, **numbers)
