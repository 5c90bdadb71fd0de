"""`python -m bench.parallel`: branches side by side, with commits of different sizes, edits, kills, second trainers.

A toy with the product's own graph, one model, branches of it, one comparison, whose stages sleep and write. The
flow's own way to run a stage (flows/stage_process.py) runs them, and after every round dvc.lock, the files and DVC's
cache are held against what was asked for.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from ruamel.yaml import YAML

from bench.promises import Line, table
from flows import stage_process

WORK = """
import json, sys, time
from pathlib import Path

name, given = sys.argv[1], json.loads(Path("params.yaml").read_text())
mine = {"round": given["round"], **given["branches"].get(name, {})}
print("began", flush=True)
while Path(f"{name} stays").exists():
    time.sleep(0.02)
time.sleep(mine.get("seconds", 0))
Path("models").mkdir(exist_ok=True)
with open(f"models/{name}", "wb") as out:
    out.write(json.dumps(mine, sort_keys=True).encode() + b"\\n")
    left, block = mine.get("bytes", 1000), name.encode().ljust(2**20, b".")
    while left > 0:
        left -= out.write(block[:left])
"""
GRAPH = """
stages:
  sft:
    cmd: exec python work.py sft
    outs: [models/sft]
  align:
    matrix: {branch: "${branches}"}
    cmd: exec python work.py ${item.branch}
    params: [round, "branches.${item.branch}"]
    deps: [models/sft, work.py]
    outs: ["models/${item.branch}"]
  compare:
    cmd: exec python work.py compare
    params: [round]
    deps: [%s]
    outs: [models/compare]
"""
TROUBLES = ("none", "edit", "kill", "second")
EDITED = "edited while it ran; nothing is recorded"
BUSY = "is busy"  # DVC's word to the second
LONGEST_SECONDS = 0.3


@dataclass
class Tally:
    """What happened in all rounds."""

    ran: int = 0
    wrong: list[str] = field(default_factory=list)
    troubles: dict[str, list[bool]] = field(default_factory=lambda: {name: [] for name in TROUBLES})
    slowest: float = 0.0

    def lines(self, rounds: int) -> list[Line]:
        """The table's lines."""
        told = {
            "edit": "params.yaml edited while a branch runs: refused, not recorded, right the next time",
            "kill": "a branch's dvc and stage killed: dvc.lock as it was, right the next time",
            "second": "a second one on the same stage: refused, the first one's result recorded",
        }
        missed = len(self.wrong)
        found = [
            Line(
                "branches run side by side and recorded", self.ran, f"{missed} wrong", "0 wrong", missed == 0
            )
        ]
        for name, text in told.items():
            kept = self.troubles[name]
            found.append(Line(text, len(kept), f"{sum(kept)} held", "all", all(kept)))
        return [*found, Line("slowest round, s", rounds, f"{self.slowest:.1f}")]


class Toy:
    """The project in a folder; `round(n)` runs all of it once more."""

    def __init__(self, folder: Path, branches: int, largest: int):
        self.folder, self.largest = folder, largest
        self.names = [f"b{number}" for number in range(branches)]
        self.tally = Tally()

    def make(self) -> None:
        (self.folder / "work.py").write_text(WORK)
        deps = ", ".join(f"models/{name}" for name in self.names)
        (self.folder / "dvc.yaml").write_text(GRAPH % deps)
        self._ask(0)
        for words in (["git", "init", "--quiet"], [sys.executable, "-m", "dvc", "init", "--quiet"]):
            subprocess.run(words, cwd=self.folder, check=True)
        config = '[core]\n    analytics = false\n[cache]\n    type = "hardlink,symlink"\n'  # the product's
        (self.folder / ".dvc" / "config").write_text(config)
        self._demand("sft")

    def round(self, number: int) -> None:
        """All branches at once, one in trouble, then the comparison; the tally grows."""
        began, trouble = time.monotonic(), TROUBLES[number % len(TROUBLES)]
        self._ask(number)
        victim = self.names[number % len(self.names)]
        with ThreadPoolExecutor(len(self.names)) as pool:
            runs = {
                name: pool.submit(getattr(self, f"_{trouble}" if name == victim else "_none"), name)
                for name in self.names
            }
        self.tally.troubles[trouble].append(all(run.result() for run in runs.values()))
        self._demand("compare")
        self.tally.ran += len(self.names)
        self.tally.wrong += [f"round {number}: {fault}" for fault in self._faults()]
        self.tally.slowest = max(self.tally.slowest, time.monotonic() - began)
        self._make_room()

    def _make_room(self) -> None:
        """The next round's files are others; the model stays."""
        shutil.rmtree(self.folder / ".dvc/cache/runs")
        kept = _md5(self.folder / "models" / "sft")
        for path in self._cached():
            if path.parent.name + path.name != kept:
                path.unlink()

    def _cached(self) -> list[Path]:
        return [path for path in (self.folder / ".dvc/cache/files/md5").rglob("*") if path.is_file()]

    def _none(self, name: str) -> bool:
        return not self._run(f"align@{name}").code

    def _edit(self, name: str) -> bool:
        """Another number while it runs, then the old one again."""
        before = self._given()
        edited = json.loads(json.dumps(before))
        edited["branches"][name]["seconds"] += 0.001

        def told(line: str) -> None:
            if line == "began":
                self._write(edited)

        ending = self._run(f"align@{name}", told)
        unrecorded = (
            self._recorded(name) != edited["branches"][name] and self._round_of(name) != before["round"]
        )
        self._write(before)
        return ending.code != 0 and EDITED in ending.reason and unrecorded and self._none(name)

    def _kill(self, name: str) -> bool:
        """What a full memory or a power cut does, to the branch's whole group; then again."""
        stopped = False

        def told(line: str) -> None:
            if line == "began":
                raise InterruptedError

        try:
            self._run(f"align@{name}", told)
        except InterruptedError:
            stopped = True
        return stopped and self._none(name)

    def _second(self, name: str) -> bool:
        """Another one, begun while the first one works."""
        second: list[stage_process.Ending] = []
        stays = self.folder / f"{name} stays"
        stays.touch()

        def told(line: str) -> None:
            if line == "began":
                second.append(self._run(f"align@{name}", log=f"{name}-second"))
                stays.unlink()

        first = self._run(f"align@{name}", told)
        return not first.code and [one.code != 0 and BUSY in one.reason for one in second] == [True]

    def _run(
        self, stage: str, told: Callable[[str], None] = lambda _: None, log: str | None = None
    ) -> stage_process.Ending:
        return stage_process.run(stage, told, self.folder / ".state" / f"{log or stage}.log")

    def _demand(self, stage: str) -> None:
        with chdir(self.folder):
            ending = self._run(stage)
        if ending.code:
            self.tally.wrong.append(f"{stage}: {ending.reason}")

    def _ask(self, number: int) -> None:
        """Parameters of a round; sizes from 1 KB to the largest, a different one for every branch in every round."""
        count = len(self.names)
        branches = {}
        for place, name in enumerate(self.names):
            share = ((place + number) % count) / max(1, count - 1)
            size = round(1000 * (self.largest / 1000) ** share)
            branches[name] = {"bytes": size, "seconds": round(LONGEST_SECONDS * (1 - share) + 0.005, 3)}
        self._write({"round": number, "branches": branches})

    def _given(self) -> dict[str, Any]:
        return json.loads((self.folder / "params.yaml").read_text())

    def _write(self, given: dict[str, Any]) -> None:
        fresh = self.folder / "params.new"
        fresh.write_text(json.dumps(given))  # JSON is YAML
        os.replace(fresh, self.folder / "params.yaml")

    def _lock(self) -> dict[str, Any]:
        return YAML(typ="safe").load(self.folder / "dvc.lock")["stages"]

    def _recorded(self, name: str) -> dict[str, Any] | None:
        stage = self._lock().get(f"align@{name}")
        return stage["params"]["params.yaml"][f"branches.{name}"] if stage else None

    def _round_of(self, name: str) -> int | None:
        stage = self._lock().get(f"align@{name}")
        return stage["params"]["params.yaml"]["round"] if stage else None

    def _faults(self) -> list[str]:
        """What is not as it was asked for; empty when all is."""
        given, stages, found = self._given(), self._lock(), []
        for name in self.names:
            model, stage = self.folder / "models" / name, stages.get(f"align@{name}")
            wanted = {"round": given["round"], **given["branches"][name]}
            with model.open("rb") as opened:
                made = json.loads(opened.readline())
            noted = (self._recorded(name), self._round_of(name))
            if made != wanted or noted != (given["branches"][name], given["round"]):
                found.append(f"{name}: asked for {wanted}, made {made}, recorded {noted}")
            if stage and stage["outs"][0]["md5"] != _md5(model):
                found.append(f"{name}: dvc.lock has another hash")
        found += [
            f"cache: {path.name}" for path in self._cached() if path.parent.name + path.name != _md5(path)
        ]
        with Repo(str(self.folder)) as repo:
            found += [f"dvc status: {name}" for name in repo.status()]
        return found


def _md5(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "md5").hexdigest()  # DVC's own hash


def run(folder: Path, rounds: int, branches: int, largest: int, said: Callable[[str], None]) -> list[Line]:
    """The table's lines after so many rounds; largest: of an output, in bytes."""
    toy = Toy(folder, branches, largest)
    stage_process.begin()
    toy.make()
    with chdir(folder):
        for number in range(1, rounds + 1):
            toy.round(number)
            said(
                f"round {number} of {rounds}, {TROUBLES[number % len(TROUBLES)]}: {len(toy.tally.wrong)} wrong so far"
            )
    for fault in toy.tally.wrong:
        said(fault)
    return toy.tally.lines(rounds)


def main() -> int:
    """1 when a promise was not kept; the table is printed."""
    parser = argparse.ArgumentParser(prog="python -m bench.parallel", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--branches", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=300, help="of the largest output")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as folder:  # on the disk that the product works on
        where = Path(folder).resolve()
        lines = run(
            where, given.rounds, given.branches, 10**6 * given.megabytes, lambda text: print(text, flush=True)
        )
    print(f"\n{table(lines)}")
    return int(any(line.kept is False for line in lines))


if __name__ == "__main__":
    sys.exit(main())
