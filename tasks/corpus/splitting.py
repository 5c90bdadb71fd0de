"""Train, validation and test: whole near-duplicate groups to one split, and proof that none stands in two."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tasks.corpus.duplicates import groups, key
from tasks.corpus.rows import Placed
from tasks.refusal import Refusal

# A row leaves the split that stands later here when a near duplicate stands in an earlier one.
PRECEDENCE = ("test", "validation", "train")


def grouped(rows: Sequence[Placed], similarity: float) -> list[Placed]:
    """The rows with their group: the id of its first row."""
    firsts = groups([placed.row.document for placed in rows], similarity)
    named = zip(rows, firsts, strict=True)
    return [replace(placed, row=replace(placed.row, group=rows[first].row.id)) for placed, first in named]


def assign(rows: Sequence[Placed], by: str, validation: float, test: float, seed: int) -> list[Placed]:
    """The rows with a split: groups by chance (`document`), or the latest groups to test (`date`)."""
    members: dict[str, list[Placed]] = {}
    for placed in rows:
        members.setdefault(placed.row.group, []).append(placed)
    names = list(members)
    random.Random(seed).shuffle(names)
    shares = {"test": test, "validation": validation}
    room = {split: max(round(share * len(rows)), 1) for split, share in shares.items() if share}
    if by == "date":
        names.sort(key=lambda name: max(placed.row.date or "" for placed in members[name]), reverse=True)
        chosen = _in_order(names, members, room)
    else:
        chosen = _that_fit(names, members, room)
    return [replace(placed, split=chosen.get(placed.row.group, "train")) for placed in rows]


def _in_order(names: list[str], members: dict[str, list[Placed]], room: dict[str, int]) -> dict[str, str]:
    """Fills test, then validation, without leaving a group out: the last one may overflow."""
    chosen, rest = {}, iter(names)
    for split, wanted in room.items():
        filled = 0
        while filled < wanted and (name := next(rest, None)) is not None:
            chosen[name] = split
            filled += len(members[name])
    return chosen


def _that_fit(names: list[str], members: dict[str, list[Placed]], room: dict[str, int]) -> dict[str, str]:
    """Fills test, then validation, with the groups that fit; a group larger than the room stays in train."""
    chosen: dict[str, str] = {}
    for split, wanted in room.items():
        filled = 0
        for name in names:
            if name not in chosen and filled + len(members[name]) <= wanted:
                chosen[name] = split
                filled += len(members[name])
    return chosen


def separate(rows: Sequence[Placed]) -> tuple[list[Placed], list[Refusal]]:
    """The rows without those whose group also stands in a split of higher precedence, and why they went."""
    holder: dict[str, Placed] = {}  # of each group, the row that the others yield to
    exact: dict[tuple[str | None, str], Placed] = {}
    for placed in sorted(rows, key=lambda placed: PRECEDENCE.index(placed.split or "")):
        holder.setdefault(placed.row.group, placed)
        exact.setdefault((placed.split, key(placed.row.document)), placed)
    kept, refused = [], []
    for placed in rows:
        split = holder[placed.row.group].split
        if placed.split == split:
            kept.append(placed)
        elif twin := exact.get((split, key(placed.row.document))):
            refused.append(_leak(placed, twin, "exact", ""))
        else:
            cure = ", or raise prepare.near_duplicate_similarity to keep both"
            refused.append(_leak(placed, holder[placed.row.group], "near", cure))
    return kept, refused


def _leak(placed: Placed, held: Placed, kind: str, cure: str) -> Refusal:
    cause = f"{kind} duplicate of {held.split} row ({held.row.id})"
    return Refusal(placed.place, cause, f"none needed, {held.split} keeps the document{cure}")


def leaks(rows: Sequence[Placed]) -> Iterator[str]:
    """Every id, group or document that stands in two splits, found without trust in what `separate` did."""
    seen: dict[tuple[str, str], str | None] = {}
    for placed in rows:
        row = placed.row
        for kind, value in (("id", row.id), ("group", row.group), ("document", key(row.document))):
            if seen.setdefault((kind, value), placed.split) != placed.split:
                yield f"{kind} {value[:60]!r} stands in {seen[kind, value]} and in {placed.split}"


def sampled(rows: Sequence[Placed], most: int, seed: int) -> list[Placed]:
    """At most so many of the training rows, by chance and in their order; other rows all stay."""
    train = [index for index, placed in enumerate(rows) if placed.split == "train"]
    kept = set(random.Random(seed).sample(train, min(most, len(train))))
    return [placed for index, placed in enumerate(rows) if placed.split != "train" or index in kept]
