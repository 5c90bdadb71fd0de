"""How a file made again is like the one that was made: the same bytes, the same numbers within a tolerance, or another.

A number counts as the same within 1e-4 of its size, or 1e-6 (to which results are rounded): float32 keeps 7 digits, a
processor with other instructions adds its sums up in another order, and the optimizer's steps carry that on. A text, a
count or a verdict has no tolerance.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

RELATIVE, ABSOLUTE = 1e-4, 1e-6
HASH = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")  # of files that may differ in a bit themselves
SHOWN = 3  # differences of a file that are told


def differences(old: Path, new: Path) -> list[str] | None:
    """What is not the same within the tolerance, a line each; None for files of a kind that has no numbers."""
    kinds = {".json": _json, ".jsonl": _lines, ".parquet": _parquet, ".safetensors": _weights, ".csv": _cells}
    compare = kinds.get(new.suffix)
    return None if compare is None else list(compare(old, new))


def told(lines: list[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(lines) - SHOWN
    return "; ".join(lines[:SHOWN]) + (f"; and {more} more" if more > 0 else "")


def _json(old: Path, new: Path) -> Iterator[str]:
    yield from _between(
        json.loads(old.read_text(encoding="utf-8")), json.loads(new.read_text(encoding="utf-8")), ""
    )


def _lines(old: Path, new: Path) -> Iterator[str]:
    every = [
        [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] for path in (old, new)
    ]
    yield from _between(every[0], every[1], "line ")


def _cells(old: Path, new: Path) -> Iterator[str]:
    every = []
    for path in (old, new):
        with path.open(encoding="utf-8", newline="") as opened:
            every.append([[_number(cell) for cell in row] for row in csv.reader(opened)])
    yield from _between(every[0], every[1], "line ")


def _number(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


def _between(old: Any, new: Any, place: str) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted(old.keys() | new.keys(), key=str):
            yield from _between(old.get(name), new.get(name), f"{place}.{name}" if place else str(name))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _between(one, other, f"{place}[{number}]")
    elif not _same(old, new):
        yield f"{place or 'it'} was {_shown(old)} and is {_shown(new)}"


def _same(old: Any, new: Any) -> bool:
    if all(isinstance(one, float) for one in (old, new)):
        return bool(np.isclose(new, old, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True))
    if all(isinstance(one, str) and HASH.fullmatch(one) for one in (old, new)):
        return True
    return old == new


def _shown(value: Any) -> str:
    return f"{len(value)} entries" if isinstance(value, Mapping | list) else repr(value)


def _parquet(old: Path, new: Path) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    one, other = pq.read_table(old), pq.read_table(new)
    if one.schema.names != other.schema.names or len(one) != len(other):
        yield f"{len(one)} rows of {len(one.schema)} columns then, {len(other)} of {len(other.schema)} now"
        return
    for name in one.schema.names:
        if pa.types.is_floating(one.schema.field(name).type):
            values = [np.asarray(table[name].to_numpy(), dtype=float) for table in (one, other)]
            apart = ~np.isclose(values[1], values[0], rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
        else:
            apart = np.array(
                [a != b for a, b in zip(one[name].to_pylist(), other[name].to_pylist(), strict=True)]
            )
        if apart.any():
            yield f"{int(apart.sum())} of {len(one)} values of {name} differ"


def _weights(old: Path, new: Path) -> Iterator[str]:
    from safetensors import safe_open

    with safe_open(old, framework="pt") as one, safe_open(new, framework="pt") as other:
        if set(one.keys()) != set(other.keys()):
            yield "it holds other tensors"
            return
        for name in one.keys():  # noqa: SIM118  (not a dict)
            then, now = one.get_tensor(name).float(), other.get_tensor(name).float()
            if then.shape != now.shape:
                yield f"{name} has another shape"
                continue
            apart = (now - then).abs()
            if (apart > ABSOLUTE + RELATIVE * then.abs()).any():
                yield f"{name} differs by up to {apart.max().item():.2g}"
