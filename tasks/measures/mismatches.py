"""What was kept against what it is found to be, place by place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

ROUNDED = 2e-6  # results are rounded to 6 digits, and another machine may round the last one otherwise
NAMES = (
    "name",
    "left",
    "right",
    "measure",
    "model",
    "branch",
    "stage",
    "n",
    "step",
    "what",
)  # that tell an entry


class Mismatch(NamedTuple):
    """One place that does not hold, why, and what to do."""

    place: str
    cause: str
    cure: str

    def __str__(self) -> str:
        return f"{self.place}: {self.cause}; {self.cure}"


def between(kept: Any, anew: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Place, what is kept and what was found, where they differ by more than rounding; None for what is not there."""
    if isinstance(kept, Mapping) and isinstance(anew, Mapping):
        for name in sorted(kept.keys() | anew.keys(), key=str):
            yield from between(kept.get(name), anew.get(name), f"{place}.{name}" if place else str(name))
    elif _are_lists(kept, anew) and len(kept) == len(anew):
        for number, (one, other) in enumerate(zip(kept, anew, strict=True)):
            yield from between(one, other, f"{place}[{_told(one, number)}]")
    elif not same(kept, anew):
        yield place, kept, anew


def same(kept: Any, anew: Any) -> bool:
    """Whether two plain values are one, but for the last digit that was kept."""
    if _is_number(kept) and _is_number(anew):
        return abs(kept - anew) <= ROUNDED * max(1.0, abs(kept), abs(anew))
    return kept == anew


def count(kept: Any) -> int:
    """How many plain values it holds."""
    if isinstance(kept, Mapping):
        return sum(map(count, kept.values()))
    if isinstance(kept, list | tuple):
        return sum(map(count, kept))
    return 1


def shown(value: Any) -> str:
    """A plain value, or what kind of thing it is."""
    if isinstance(value, Mapping | list | tuple):
        return f"{len(value)} entries"
    return "nothing" if value is None else repr(value)


def _are_lists(kept: Any, anew: Any) -> bool:
    return all(isinstance(one, Sequence) and not isinstance(one, str) for one in (kept, anew))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _told(entry: Any, number: int) -> str:
    """Which entry of a list it is: by its names where it has them."""
    if not isinstance(entry, Mapping):
        return str(number)
    return " ".join(str(entry[name]) for name in NAMES if isinstance(entry.get(name), str | int)) or str(
        number
    )
