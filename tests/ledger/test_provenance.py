"""An edit of what a stage uses, made while it runs, is found at its end."""

import sys
import types
from pathlib import Path

import pytest

from tasks.ledger.provenance import Snapshot
from tasks.refusal import Refusal


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """tasks/ with two modules that are loaded, one that is not, and a table that some code reads."""
    folder = tmp_path / "tasks"
    for name in ("sft.py", "unused.py", "methods/dpo.py", "methods/rloo.py", "lexicon.tsv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("1")
    for name in ("sft.py", "methods/dpo.py", "methods/rloo.py"):
        module = types.ModuleType(name)
        module.__file__ = str(folder / name)
        monkeypatch.setitem(sys.modules, f"test_provenance_{name}", module)
    return folder


@pytest.mark.parametrize(
    ("edited", "refused"),
    [
        ("sft.py", True),
        ("lexicon.tsv", True),
        ("unused.py", False),
        ("methods/dpo.py", True),
        ("methods/rloo.py", False),
    ],
)
def test_edited_code(code: Path, edited: str, refused: bool):
    before = Snapshot(code)
    before.watch(dict, method="dpo")
    before.check()
    (code / edited).write_text("2")
    if refused:
        with pytest.raises(Refusal, match=f"tasks/{edited}: edited while it ran"):
            before.check()
    else:
        before.check()


def test_edited_settings_are_named(code: Path):
    now = {"sft": {"steps": 1, "seed": 0}}
    before = Snapshot(code)
    assert before.watch(lambda: now) == {"sft": {"steps": 1, "seed": 0}}
    now = {"sft": {"steps": 2, "seed": 0}}
    with pytest.raises(
        Refusal, match=r"params.yaml: sft.steps edited while it ran; nothing is recorded; run again"
    ):
        before.check()
