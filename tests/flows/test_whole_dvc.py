"""dvc.lock after a kill in the middle of its writing, and after an edit that DVC would have recorded."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flows import stage_process, whole_dvc

LOCK = "schema: '2.0'\nstages:\n" + "".join(f"  stage{number}:\n    cmd: echo\n" for number in range(400))
KILLED = """
import os, signal, sys
from flows import whole_dvc
from dvc.utils.serialize import _common

def half(path, data, dumper, fs=None):
    with open(path, "w+") as file:
        dumper(data, file)
        file.flush()
        file.truncate(file.tell() // 2)
        os.kill(os.getpid(), signal.SIGKILL)

_common._dump_data = half
with {modify}("dvc.lock") as data:
    data["stages"]["one_more"] = {{"cmd": "echo"}}
"""


@pytest.mark.parametrize(
    ("modify", "is_whole"),
    [("whole_dvc.modified", True), ("whole_dvc._modify", False)],
    ids=["ours", "dvc's"],
)
def test_a_kill_while_dvc_lock_is_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modify: str, is_whole: bool
):
    """DVC's own is here to show that the kill hits."""
    monkeypatch.chdir(tmp_path)
    Path("dvc.lock").write_text(LOCK)
    root = Path(whole_dvc.__file__).parents[1]
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path.insert(0, {str(root)!r})\n{KILLED.format(modify=modify)}",
        ]
    )
    assert done.returncode == -signal.SIGKILL
    assert (Path("dvc.lock").read_text() == LOCK) is is_whole


def test_the_next_one_writes_over_what_the_kill_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("dvc.lock").write_text("stages:\n  one: 1\n")
    Path("dvc.lock.new").write_text("stages:\n  o")
    with whole_dvc.modified("dvc.lock") as data:
        data["stages"]["two"] = 2
    assert Path("dvc.lock").read_text() == "stages:\n  one: 1\n  two: 2\n"

    def fail() -> None:
        with whole_dvc.modified("dvc.lock") as data:
            data.clear()
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert Path("dvc.lock").read_text() == "stages:\n  one: 1\n  two: 2\n"
    assert [path.name for path in tmp_path.iterdir()] == ["dvc.lock"]


def test_an_edit_while_a_stage_runs_is_not_recorded_with_its_result(project):
    """The stage here does not look at its end, as one could not that is over while DVC waits for another's commit."""
    log = Path(".state/logs/x.log")
    stage_process.begin()
    stage_process.run("first", print, log)
    before = Path("dvc.lock").read_text()

    def told(line: str) -> None:
        if line.startswith("progress "):
            (project.folder / "out" / "first").unlink()  # a link into DVC's cache
            (project.folder / "out" / "first").write_text("edited")

    ending = stage_process.run("branch@x", told, log)
    assert ending.code != 0
    assert "out/first: edited while it ran; nothing is recorded; run again" in ending.reason
    assert Path("dvc.lock").read_text() == before


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("ERROR: failed to reproduce 'a': [Errno 28] No space left on device", "the disk is full"),
        ("ERROR: unexpected error - [Errno 30] Read-only file system: 'x'", "it cannot be written to"),
    ],
)
def test_what_dvc_says_of_a_disk_has_its_cure(said: str, reason: str):
    found = stage_process._reason(["> exec python -m tasks a", said])
    assert found.startswith(f"DVC could not record it: {reason} (")
    assert found.endswith(", then run again")
