"""Half-finished work is found again by what decides its numbers, by one process at a time."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.ledger.scratch import Scratch, fingerprint
from tasks.refusal import Refusal


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GALLIM_STATE", str(tmp_path / ".state"))


A, B = "a" * 64, "b" * 64


def test_it_is_found_again_until_it_is_done():
    with Scratch("sft", A) as first:
        (first.folder / "checkpoint").write_text("5")
    with Scratch("sft", A) as second:
        assert (second.folder / "checkpoint").read_text() == "5"
        second.done()
    assert not second.folder.exists()


@pytest.mark.parametrize("others", [False, True], ids=["its own", "another's"])
def test_a_kill_while_it_is_removed_leaves_no_part_of_it(others, monkeypatch):
    """A checkpoint without its curve would be gone on from, and the curve be short."""
    real = shutil.rmtree

    def killed(folder, ignore_errors=False):
        if not ignore_errors:
            (Path(folder) / "curve.jsonl").unlink()
            raise KeyboardInterrupt
        real(folder, ignore_errors=ignore_errors)

    with Scratch("sft", A) as first:
        for name in ("curve.jsonl", "checkpoint"):
            (first.folder / name).touch()
    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt), Scratch("sft", B if others else A) as scratch:
        scratch.done()
    monkeypatch.setattr(shutil, "rmtree", real)
    with Scratch("sft", A) as again:
        assert [path.name for path in again.folder.iterdir()] == ["lock"]
        assert [path.name for path in again.folder.parent.iterdir() if "deleted" in path.name] == []


def test_other_settings_remove_it_and_say_so(capsys: pytest.CaptureFixture[str]):
    with Scratch("align-dpo-0", A) as old:
        pass
    with Scratch("align-dpo-1", A) as other_record, Scratch("align-dpo-0", B):
        assert not old.folder.exists()
        assert other_record.folder.exists()
    assert "removed half-finished work of align-dpo-0" in capsys.readouterr().out


def test_a_second_trainer_is_refused():
    with (
        Scratch("sft", A),
        pytest.raises(Refusal, match="another process is already training"),
        Scratch("sft", A),
    ):
        pass


def test_scratch_of_a_live_training_stays_whatever_its_settings():
    with Scratch("sft", A) as alive, Scratch("sft", B):
        assert alive.folder.exists()


def test_a_killed_trainer_frees_it():
    code = f"""
import os, signal
from tasks.ledger.scratch import Scratch
Scratch("sft", "{A}").__enter__()
os.kill(os.getpid(), signal.SIGKILL)
"""
    root = str(Path(__file__).resolve().parents[2])
    subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": root, "GALLIM_STATE": str(Path(".state"))}
    )
    with Scratch("sft", A) as mine:
        assert mine.folder.exists()


def test_fingerprint_depends_on_settings_contents_and_code():
    for name, text in (("data", "rows"), ("code.py", "pass")):
        Path(name).write_text(text)
    Path("model").mkdir()
    Path("model/manifest.json").write_text("{}")
    Path("model/weights").write_text("a")

    def now(beta: float = 0.1) -> str:
        return fingerprint({"beta": beta}, [Path("data"), Path("model")], [Path("code.py")])

    first = now()
    assert first == now()
    assert first != now(beta=0.2)
    Path("model/weights").write_text("b")
    assert first == now(), "a model counts by its manifest"
    for name in ("data", "code.py", "model/manifest.json"):
        before = now()
        Path(name).write_text("changed")
        assert now() != before, name
