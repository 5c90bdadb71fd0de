"""Every case through its door, counted by kind and by what became of it."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from fuzz import doors, files, rows
from fuzz.doors import DOORS, FAULTS, LOST, REFUSED, Door, Row

LOGS = ("people's answers", "judges' replies")  # jsonl that we write ourselves
BESIDE = 2  # good rows before a bad one, and after it


class Found(NamedTuple):
    """Where a fault was found, and the case, so that it can be seen again."""

    door: str
    kind: str
    what: str
    sample: bytes


class Tally:
    """Counts of cases by kind and outcome, and the faults."""

    def __init__(self) -> None:
        self.kinds: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.faults: list[Found] = []

    def add(self, door: str, kind: str, what: str, sample: bytes) -> None:
        self.kinds[f"{door}: {kind}"][what] += 1
        if what in FAULTS:
            self.faults.append(Found(door, kind, what, sample[:300]))

    @property
    def cases(self) -> int:
        return sum(counts.total() for counts in self.kinds.values())


def through_rows(tally: Tally, folder: Path, door: Door, every: int = 1) -> None:
    """Nothing; each bad row (or each `every`-th) between good ones, a file a case."""
    good = [door.good(number) for number in range(2 * BESIDE)]
    lines = [doors.line_of(row) for row in good]
    for case in islice(rows.cases(door), 0, None, every):
        path = folder / "rows.jsonl"
        path.write_bytes(b"\n".join([*lines[:BESIDE], case.line, *lines[BESIDE:]]))
        what = doors.outcome(door, path, good, case.row)
        tally.add(door.name, case.kind, LOST if what == doors.NOTHING else what, case.line)


def through_files(tally: Tally, folder: Path, door: Door) -> None:
    """Nothing; each bad file, alone in a folder."""
    good = [door.good(number) for number in range(2 * BESIDE)]
    for place, file in enumerate(files.files(good)):
        here = folder / f"file-{place}"
        here.mkdir()
        (here / file.name).write_bytes(file.content)
        path = here / file.name if door.name in ("rated set",) else here
        tally.add(door.name, f"file, {file.kind}", _file_outcome(door, path, good, file), file.content)
        shutil.rmtree(here)


def _file_outcome(door: Door, path: Path, good: Sequence[Row], file: files.File) -> str:
    """As of a row; of a file that does not say all, rows may be missing that are refused or counted."""
    what = doors.outcome(door, path, good if file.whole else [], None)
    if what != doors.NOTHING:
        return what
    return doors.KEPT if file.whole or not _rows_in(file) else LOST


def _rows_in(file: files.File) -> bool:
    """Whether a file of which nothing came, and nothing was said, had something to say."""
    return bool(file.content.strip(b"\xef\xbb\xbf \r\n\t")) and file.kind not in (
        "header alone",
        "no rows",
        "no columns",
    )


def everything(folder: Path) -> Iterator[Tally]:
    """A tally that grows, after each door."""
    tally = Tally()
    for door in DOORS:
        through_rows(tally, folder, door)
        if door.name not in LOGS:
            through_files(tally, folder, door)
        yield tally


def table(tally: Tally) -> str:
    """Markdown: a line a kind, a column an outcome, and the sums; the faults' columns stand even where they are 0."""
    names = [REFUSED, doors.CLEANED, doors.KEPT, doors.LEFT_OUT, *FAULTS]
    lines = [f"| kind | cases | {' | '.join(names)} |", "|---|---|" + "---|" * len(names)]
    total: Counter[str] = Counter()
    for kind, counts in sorted(tally.kinds.items()):
        total += counts
        lines.append(f"| {kind} | {counts.total()} | {' | '.join(str(counts[name]) for name in names)} |")
    lines.append(f"| all | {total.total()} | {' | '.join(str(total[name]) for name in names)} |")
    return "\n".join(lines)
