"""`make chaos`: trainings and stages are killed at random places, started again, and must end in the same bytes.

Two copies of a tiny project with every stage and method. In one nothing is disturbed. In the other `dvc repro` of a
stage is killed, SIGKILL to its whole process group, some times at places that a seed draws, and then let end; whatever
dvc.lock has of the stage must be what the undisturbed project's has: the md5 of every output, and of every input.

A kill comes at a moment (any from the start of the stage's own code to the end of DVC's commit), at a write of the
stage (any file opened, moved or removed, checkpoints included: bench/killed), or at a write of DVC.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from bench import forked, stub_judge, tiny
from flows import graph, stage_process

MOMENT, WRITE, COMMIT = "moment", "write", "commit"
SHARES = {MOMENT: 0.4, WRITE: 0.5, COMMIT: 0.1}
MODULES = {WRITE: "tasks", COMMIT: "dvc"}
PATIENCE = 900.0  # seconds that one stage may take
IDLE = re.compile(r"method-.*")  # a line of JSON: killed once, as one stage
TRAINS = re.compile(r"sft|reward@.*|member@.*|align-.*")
RESUMED = re.compile(r"resuming from step (\d+)")


@dataclass
class Seen:
    """What an undisturbed stage took: seconds in all and before its own code began, and its writes."""

    seconds: float
    began: float
    writes: dict[str, int]


@dataclass
class Told:
    """What happened to one stage of the disturbed project."""

    kills: Counter[str] = field(default_factory=Counter)
    resumed: int = 0  # starts that went on from a checkpoint
    skipped: int = 0  # checkpoints that were not whole
    mended: int = 0  # times that DVC's own files were cut, which it writes in place
    differs: list[str] = field(default_factory=list)


class Project:
    """A tiny project's folder and its dvc.lock."""

    def __init__(self, folder: Path):
        self.folder = folder
        kept = {n: v for n, v in stage_process.environment().items() if not n.startswith(("MLFLOW", "GIT_"))}
        nobody = "http://127.0.0.1:9"  # MLflow is a view, and decides nothing
        self.environment = {**kept, "MLFLOW_TRACKING_URI": nobody, "GALLIM_CPU_SLOTS": "2"}
        self.host = forked.Host(self.environment)
        self.costs = folder / ".state/costs"
        self._child: forked.Child | None = None

    def locked(self, stage: str) -> dict[str, Any] | None:
        """What dvc.lock has of the stage."""
        return (_stages(self.lock() or b"") or {}).get(stage)

    def lock(self) -> bytes | None:
        """dvc.lock as it is."""
        path = self.folder / "dvc.lock"
        return path.read_bytes() if path.exists() else None

    def mend(self, before: bytes | None) -> int:
        """How many of DVC's own files a kill had cut; they are as before, as `git checkout dvc.lock` would have it."""
        path, mended = self.folder / "dvc.lock", 0
        known = set(_stages(before or b"") or ())
        now = _stages(self.lock() or b"")
        if now is None or not known <= set(now):
            path.unlink(missing_ok=True)
            if before is not None:
                path.write_bytes(before)
            mended += 1
        held = self.folder / ".dvc/tmp/rwlock"
        if held.exists() and not _reads(held):
            held.unlink()
            mended += 1
        return mended

    def start(self, stages: Sequence[str], log: Path, **more: str) -> forked.Child:
        """`dvc repro` of the stages, in a process group of its own; what it says is added to the log."""
        words = ["--wait-for-lock", "repro", "--single-item", *stages]
        self._child = self.host.start(words, self.folder, {**self.environment, **more}, log)
        return self._child

    def stop(self) -> None:
        """Nothing; what runs here is killed."""
        if self._child is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)


def main() -> int:
    """0 when every stage ended in the undisturbed project's bytes."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=60, help="how many, over all stages")
    parser.add_argument("--seed", type=int, default=0, help="of the places")
    parser.add_argument("--only", nargs="*", metavar="BRANCH", help="these branches alone")
    parser.add_argument("--keep", type=Path, help="a folder for both projects, which stays")
    given = parser.parse_args()
    home = given.keep or Path(tempfile.mkdtemp(prefix="chaos-"))
    with _judge() as address:
        chaos = Chaos(home, given.kills, given.seed, address, given.only)
        told = chaos.run()
    wrong = [f"{stage}: {what}" for stage, one in told.items() for what in one.differs]
    if len(told) < len(chaos.stages):
        wrong.append(f"stopped after {len(told)} of {len(chaos.stages)} stages")
    print("\n" + table(told))
    print("\n".join(["", *wrong]) if wrong else "\nevery output has the bytes of the undisturbed run")
    if given.keep is None and not wrong:
        shutil.rmtree(home)
    return bool(wrong)


class Chaos:
    """One run: the undisturbed project goes ahead in a thread, the disturbed one follows stage by stage."""

    def __init__(self, home: Path, kills: int, seed: int, address: str, only: list[str] | None):
        self.random = random.Random(seed)
        self.quiet, self.other = (Project(home / name) for name in ("undisturbed", "disturbed"))
        tiny.make(self.quiet.folder, address, only)
        shutil.copytree(self.quiet.folder, self.other.folder)
        self.logs = home / "logs"
        self.logs.mkdir()
        self.stages = [stage.name for stage in graph.read(self.quiet.folder)]
        self.left = spread(self.stages, kills, self.random)
        self.idle = [name for name in self.stages if IDLE.fullmatch(name) and not self.left[name]]
        started = (
            [each.start(self.idle, self.logs / "method.log") for each in (self.quiet, self.other)]
            if self.idle
            else []
        )
        if any(child.wait(PATIENCE) for child in started):
            raise SystemExit(f"the stages {', '.join(self.idle)} failed; see {self.logs}/method.log")
        self.seen: dict[str, Seen | str] = {}
        self.news = threading.Condition()

    def run(self) -> dict[str, Told]:
        """What happened, by stage."""
        threading.Thread(target=self._undisturbed, daemon=True).start()
        told: dict[str, Told] = {}
        try:
            self._follow(told)
        except KeyboardInterrupt:
            for project in (self.quiet, self.other):
                project.stop()
        return told

    def _follow(self, told: dict[str, Told]) -> None:
        for number, stage in enumerate(self.stages, 1):
            with self.news:
                self.news.wait_for(lambda stage=stage: stage in self.seen)
            seen = self.seen[stage]
            if isinstance(seen, str):
                raise SystemExit(f"the undisturbed project failed at {stage}; see {seen}")
            told[stage] = self._disturbed(stage, seen)
            self._say(number, stage, told[stage])

    def _say(self, number: int, stage: str, one: Told) -> None:
        kills = ", ".join(f"{count} {kind}" for kind, count in sorted(one.kills.items())) or "no kill"
        end = "DIFFERS" if one.differs else "equal"
        resumed = f", resumed {one.resumed}" if one.resumed else ""
        print(f"{number}/{len(self.stages)} {stage}: {kills}{resumed}, {end}", flush=True)

    def _undisturbed(self) -> None:
        for stage in self.stages:
            log = self.logs / f"{stage}.undisturbed.log"
            found = Seen(0.0, 0.0, {}) if stage in self.idle else self._measured(stage, log)
            with self.news:
                self.seen[stage] = found
                self.news.notify_all()
            if isinstance(found, str):
                return

    def _measured(self, stage: str, log: Path) -> Seen | str:
        """What it took; the path of its log when it failed."""
        count, start, began = self.logs / f"{stage}.writes", time.monotonic(), 0.0
        log.touch()
        child = self.quiet.start([stage], log, CHAOS_MODULES="tasks dvc", CHAOS_COUNT=str(count))
        while child.poll() is None:
            if not began and log.stat().st_size:
                began = time.monotonic() - start
            if time.monotonic() - start > PATIENCE:
                os.killpg(child.pid, signal.SIGKILL)
            time.sleep(0.05)
        if child.returncode:
            return str(log)
        paths = {kind: Path(f"{count}.{module}") for kind, module in MODULES.items()}
        writes = {kind: int(path.read_text()) for kind, path in paths.items() if path.exists()}
        return Seen(time.monotonic() - start, began, writes)

    def _disturbed(self, stage: str, seen: Seen) -> Told:
        told, log, before = Told(), self.logs / f"{stage}.disturbed.log", self.other.lock()
        log.touch()
        if stage == "compare":  # its report tells of seconds and memory, which no two runs have alike
            shutil.copytree(self.quiet.costs, self.other.costs, dirs_exist_ok=True)
        for _ in range(self.left[stage]):
            kind = self._kind(seen)
            if not self._killed(stage, seen, kind, log):
                self._owe(stage)
                break  # it came to its end before
            told.kills[kind] += 1
            told.mended += self.other.mend(before)
        code = 0 if stage in self.idle else self._to_its_end(stage, log)
        said = log.read_text("utf-8", errors="replace")
        told.resumed, told.skipped = len(RESUMED.findall(said)), said.count("is not whole")
        if code:
            told.differs.append(f"dvc repro ended with {code} after the kills; see {log}")
        elif (found := self.other.locked(stage)) != (expected := self._expected(stage)):
            told.differs += differences(expected, found)
        return told

    def _kind(self, seen: Seen) -> str:
        kinds = {kind: share for kind, share in SHARES.items() if kind == MOMENT or seen.writes.get(kind)}
        return self.random.choices(list(kinds), list(kinds.values()))[0]

    def _killed(self, stage: str, seen: Seen, kind: str, log: Path) -> bool:
        """Whether the kill came before the end."""
        more, after = {}, PATIENCE
        if kind == MOMENT:
            after = self.random.uniform(seen.began, seen.seconds)
        else:
            writes = seen.writes[kind]
            at = self.random.randint(
                1 if kind == WRITE else writes // 2, writes
            )  # DVC commits in its second half
            more = {"CHAOS_MODULES": MODULES[kind], "CHAOS_AT": str(at)}
        child = self.other.start([stage], log, **more)
        try:
            child.wait(after)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
        code = child.wait(PATIENCE)
        _gone(child.pid)
        return code == -signal.SIGKILL

    def _owe(self, stage: str) -> None:
        """A kill that came too late is spent on a later stage."""
        later = self.stages[self.stages.index(stage) + 1 :]
        trainings = [name for name in later if TRAINS.fullmatch(name)] or later
        if trainings:
            self.left[self.random.choice(trainings)] += 1

    def _to_its_end(self, stage: str, log: Path) -> int:
        return self.other.start([stage], log).wait(PATIENCE)

    def _expected(self, stage: str) -> dict[str, Any] | None:
        """The other project's dvc.lock may be being written this moment."""
        for _ in range(100):
            found = self.quiet.locked(stage)
            if found is not None:
                return found
            time.sleep(0.1)
        return None


def spread(stages: Sequence[str], kills: int, drawn: random.Random) -> Counter[str]:
    """Kills by stage: each training first, then one stage of every other kind, then trainings and others two to one."""
    trainings = [name for name in stages if TRAINS.fullmatch(name)]
    kinds = defaultdict(list)
    for name in stages:
        if name not in trainings:
            kinds["method" if IDLE.fullmatch(name) else name.partition("@")[0]].append(name)
    first = drawn.sample(trainings, len(trainings)) + [drawn.choice(names) for names in kinds.values()]
    weights = [0.0 if IDLE.fullmatch(name) else 2.0 if name in trainings else 1.0 for name in stages]
    more = drawn.choices(list(stages), weights, k=max(0, kills - len(first)))
    return Counter(first[:kills] + more)


def differences(expected: dict[str, Any] | None, found: dict[str, Any] | None) -> list[str]:
    """The files whose md5 is another, or what else is not alike."""
    if expected is None or found is None:
        return ["dvc.lock has no entry"]
    parts = []
    for part in ("deps", "outs"):
        ours, theirs = (
            {one["path"]: one.get("md5") for one in each.get(part, [])} for each in (expected, found)
        )
        parts += [
            f"{part}: {path}"
            for path in sorted(ours.keys() | theirs.keys())
            if ours.get(path) != theirs.get(path)
        ]
    return parts or ["its entry in dvc.lock differs"]


def table(told: dict[str, Told]) -> str:
    """Markdown: a row a kind of stage, and the sums."""
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for stage, one in told.items():
        for name in (stage.partition("@")[0], "all"):
            rows[name] += Counter(
                stages=1, equal=not one.differs, resumed=one.resumed, skipped=one.skipped, mended=one.mended
            )
            rows[name].update(one.kills)
    lines = [
        "| stage | stages | kills | at a moment | at a write | while DVC commits | resumed from a checkpoint "
        "| half-written skipped | DVC's files mended | equal |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in sorted(rows.items(), key=lambda item: item[0] == "all"):
        kinds = [row[kind] for kind in (MOMENT, WRITE, COMMIT)]
        cells = [
            row["stages"],
            sum(kinds),
            *kinds,
            row["resumed"],
            row["skipped"],
            row["mended"],
            row["equal"],
        ]
        lines.append(f"| {name} | " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def _stages(lock: bytes) -> dict[str, Any] | None:
    """The entries of a dvc.lock, None where it was cut."""
    try:
        found = YAML(typ="safe", pure=True).load(lock.decode("utf-8"))
    except (YAMLError, UnicodeDecodeError):
        return None
    if found is None:
        return {}
    return found.get("stages", {}) if isinstance(found, dict) else None


def _reads(path: Path) -> bool:
    try:
        json.loads(path.read_text("utf-8"))
    except ValueError:
        return False
    return True


def _gone(group: int) -> None:
    """Waits until nobody of the process group is left."""
    for _ in range(40):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)


class _judge:
    """A judge behind an endpoint, for as long as the block lasts; yields its address."""

    def __enter__(self) -> str:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), stub_judge.handler("longer"))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()


if __name__ == "__main__":
    sys.exit(main())
