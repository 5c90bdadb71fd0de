"""One `dvc repro --single-item STAGE` as a child process: started, read, and killed with everything below it.

Undecorated on purpose: Prefect's cancellation signals nothing but the flow's own process, and it copies
decorated functions by value, so the list of children to kill must live in a module that it leaves alone.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tasks.ledger import lock, room
from tasks.redaction import redacted

POLL_SECONDS = 0.2
GRACE_SECONDS = 8.0  # from SIGTERM to SIGKILL: a training ends its MLflow run and closes its files
TIMED_OUT = 124  # as timeout(1) has it
REFUSAL = "gallim: "  # how tasks/__main__.py begins one
WAITS = "waits: "  # how tasks/ledger/device.py says that every slot is taken
RAN, UNCHANGED, RESTORED = "ran", "unchanged", "restored"
SAYINGS = {  # dvc's own words, on its standard output
    re.compile(r"Stage '[^']+' didn't change, skipping"): UNCHANGED,
    re.compile(r"Stage '[^']+' is cached - skipping run, checking out outputs"): RESTORED,
}

_children: set[subprocess.Popen] = set()
_guard = threading.Lock()
_stopped = False


@dataclass(frozen=True)
class Ending:
    """How a stage ended: dvc's exit code, and whether it ran, was unchanged or came from DVC's cache."""

    code: int
    how: str
    reason: str  # one line when it failed, else empty
    refused: bool = False  # by gallim itself, which would refuse it again


def run(stage: str, told: Callable[[str], None], log: Path, seconds: float | None = None) -> Ending:
    """Runs one stage and passes on its lines; whatever ends this call early ends the stage, too.

    seconds: after so many it is killed, its checkpoints kept.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    how, recent = RAN, deque[str](maxlen=400)
    child = _start(command(stage))
    clock = Clock(seconds, lambda: _kill([child]))
    try:
        with log.open("w", encoding="utf-8") as kept:
            for said in child.stdout or ():
                line = redacted(said)  # libraries quote addresses and headers
                kept.write(line)
                kept.flush()
                line = line.rstrip()
                clock.hear(line)
                how = next((known for saying, known in SAYINGS.items() if saying.fullmatch(line)), how)
                recent.append(line)
                told(line)
        code = child.wait()
    except BaseException:
        _kill([child])
        raise
    finally:
        clock.stop()
        with _guard:
            _children.discard(child)
        if child.stdout:
            child.stdout.close()
    if code and _stopped:
        raise InterruptedError("the flow is being stopped")
    if clock.rang:
        return Ending(code or TIMED_OUT, how, f"stopped after {seconds:g} s, its timeout_seconds in dvc.yaml")
    refused = any(line.startswith(REFUSAL) for line in recent)
    return Ending(code, how, _reason(recent) if code else "", bool(code) and refused)


class Clock:
    """Rings once after so many seconds of work, or never for None; waiting for a core or a GPU is no work."""

    def __init__(self, seconds: float | None, ring: Callable[[], None]):
        self.rang = False
        self._seconds, self._ring = seconds, ring
        self._timer: threading.Timer | None = None
        self._start()

    def hear(self, line: str) -> None:
        """A line of the stage, which says when it waits."""
        if line.startswith(WAITS):
            self.stop()
        elif self._timer is None:
            self._start()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self) -> None:
        if self._seconds:
            self._timer = threading.Timer(self._seconds, self._end)
            self._timer.start()

    def _end(self) -> None:
        self.rang = True
        self._ring()


def _reason(lines: Sequence[str]) -> str:
    """A stage's refusal, else the last line of its traceback, else dvc's own error."""
    refusals = [line for line in lines if line.startswith(REFUSAL)]
    errors = [line for line in lines if line.startswith("ERROR: ")]
    spoken = [line for line in lines if line and not line.startswith("ERROR: ")]
    if refusals:
        return refusals[-1].removeprefix(REFUSAL)
    if any(line.startswith("Traceback ") for line in lines) and spoken:
        return spoken[-1]
    return _cured((errors or spoken or ["it said nothing"])[0].removeprefix("ERROR: "))


def _cured(error: str) -> str:
    """What dvc says of its own writing, and what helps."""
    for said, (cause, cure) in room.TROUBLES.items():
        if said in error:
            return f"DVC could not record it: {cause} ({error}); {cure}, then run again"
    return error


def command(stage: str) -> list[str]:
    """`--wait-for-lock` is a global option: without it a long commit of another stage fails this one.

    `--single-item`, as dvc would else lock the outputs of unchanged stages that others read.
    """
    whole = Path(__file__).with_name("whole_dvc.py")  # -P: else flows/ itself would be searched for modules
    dvc = [sys.executable, "-P", str(whole), "--wait-for-lock", "repro", "--single-item", stage]
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--", *dvc] if setpriv else dvc


def environment() -> dict[str, str]:
    """For the stages: this interpreter is their `python`, and nothing of Prefect's is known to them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    # dvc runs a stage by $SHELL; bash becomes the stage, others may stand between and miss dvc's death
    shell = shutil.which("bash") or "/bin/sh"
    return {**kept, "PATH": path, "SHELL": shell, "PYTHONUNBUFFERED": "1", "DVC_NO_ANALYTICS": "1"}


def take(path: Path) -> int:
    """The descriptor of the lock, waited for as long as it takes, unless the flow is being stopped."""
    while (handle := lock.take(path)) is None:
        if _stopped:
            raise InterruptedError("the flow is being stopped")
        time.sleep(POLL_SECONDS)
    return handle


def begin() -> None:
    """A flow begins: stages may be started (again)."""
    global _stopped
    _stopped = False


def stop_all() -> None:
    """Kills every stage that runs here and starts no other: for the flow's own end."""
    global _stopped
    with _guard:
        _stopped = True
        children = list(_children)
    _kill(children)


def _start(words: list[str]) -> subprocess.Popen:
    with _guard:
        if _stopped:
            raise InterruptedError("the flow is being stopped")
        child = subprocess.Popen(
            words,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # a group of its own, so that one signal reaches all of it
        )
        _children.add(child)
        return child


def _kill(children: list[subprocess.Popen]) -> None:
    """SIGTERM to the groups, then SIGKILL to what is left of them."""
    for child in children:
        _signal(child, signal.SIGTERM)
    end = time.monotonic() + GRACE_SECONDS
    while any(_lives(child) for child in children) and time.monotonic() < end:
        time.sleep(0.05)
    for child in children:
        _signal(child, signal.SIGKILL)
        child.wait()


def _signal(child: subprocess.Popen, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS: PermissionError for a group of zombies
        os.killpg(child.pid, number)


def _lives(child: subprocess.Popen) -> bool:
    """Whether anything of the group runs: dvc dies at once, its stage a little later."""
    if child.poll() is None:
        return True
    if not Path("/proc/self/stat").exists():
        return _group_is_there(child.pid)
    return any(_runs_in(child.pid, entry) for entry in os.listdir("/proc") if entry.isdecimal())


def _runs_in(group: int, process: str) -> bool:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it ended meanwhile
        return False
    return int(fields[2]) == group and fields[0] != "Z"


def _group_is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
