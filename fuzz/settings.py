"""The readers of files of settings, and what became of a bad one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flows import branches, cures, grid, iterate, tuned
from fuzz import parameter_files
from fuzz.doors import KEPT, LOST, TRACEBACK, refused
from fuzz.run import Tally
from tasks import parameters
from tasks.refusal import Refusal

ROOT = Path(__file__).resolve().parents[1]
Read = Callable[[Path], Any]
READERS: dict[str, Read] = {
    "params.yaml": parameters.read,
    "assets/tuning.yaml": lambda path: parameters.read_as(grid.Grid, path),
    "assets/strength.yaml": cures.read,
    "assets/iterate.yaml": lambda path: parameters.read_as(iterate.Rounds, path),
    "assets/tuned.yaml": tuned.read,
    "assets/every-method.yaml": lambda path: parameters.read_as(branches.More, path),
}
MUST = {"branch's name", "own path", "method", "address", "rubric", "repository", "unknown name", "bomb"}


def cases(name: str, every: int) -> Iterator[tuple[str, bytes]]:
    """Every bad file of this name."""
    text = (ROOT / name).read_text(encoding="utf-8")
    given = parameter_files.plain(text)
    yield from parameter_files.written(text)
    yield from parameter_files.changed(given, every)
    if name == "params.yaml":
        yield from parameter_files.hostile(given)


def outcome(read: Read, path: Path, kind: str) -> str:
    """What became of the file: one of doors' words; LOST where a hostile one was taken."""
    try:
        read(path)
    except Refusal as refusal:
        return refused(refusal)
    except Exception:
        return TRACEBACK
    return LOST if kind in MUST and read is READERS["params.yaml"] else KEPT


def through(tally: Tally, folder: Path, every: int, names: tuple[str, ...] = tuple(READERS)) -> None:
    """Nothing; each bad file of settings through its reader."""
    for name in names:
        for kind, content in cases(name, every):
            path = folder / Path(name).name
            path.write_bytes(content)
            tally.add(name, kind, outcome(READERS[name], path, kind), content)


def good() -> None:
    """Nothing; a Refusal where one of the repository's own files is refused, of which the bad ones are made."""
    for name, read in READERS.items():
        read(ROOT / name)
