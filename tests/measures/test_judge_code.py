"""The hash of a judge: of all its code, of no other code, and of the packages that it counts with."""

import shutil
from pathlib import Path

import pytest

from tasks.measures import judge_code

TASKS = Path(__file__).resolve().parents[2] / "tasks"


@pytest.fixture
def edited(tmp_path, monkeypatch):
    """A function to both judges' hashes after a line was added to a file of a copy."""
    shutil.copytree(TASKS, tmp_path / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(judge_code, "TASKS", tmp_path / "tasks")

    def made(file=None):
        if file:
            with (tmp_path / "tasks" / file).open("a", encoding="utf-8") as opened:
                opened.write("\nEDITED = True\n")
        return {kind: judge_code.sha256(kind) for kind in judge_code.JUDGES}

    return made


@pytest.mark.parametrize(
    ("file", "judges"),
    [
        ("corpus/exact_judge.py", {"exact"}),
        ("corpus/exact_values.py", {"exact"}),
        ("corpus/matters/lexicon.py", {"exact"}),
        ("corpus/matters/__init__.py", {"exact"}),
        ("measures/rouge.py", {"rouge"}),
        ("measures/gold.py", {"exact", "rouge"}),
        ("corpus/sources.py", set()),
        ("measures/surface.py", set()),
        ("engine/text.py", set()),
    ],
)
def test_an_edit_is_another_judge_where_the_judge_stands_on_that_file(file, judges, edited):
    before, after = edited(), edited(file)
    assert {kind for kind in before if before[kind] != after[kind]} == judges


def test_the_place_of_the_code_makes_no_difference(edited):
    here = edited()
    judge_code.TASKS = TASKS
    assert {kind: judge_code.sha256(kind) for kind in judge_code.JUDGES} == here


def test_another_version_of_the_word_cutter_is_another_judge_of_rouge_alone(edited, monkeypatch):
    before, real = edited(), judge_code.metadata.version
    monkeypatch.setattr(
        judge_code.metadata, "version", lambda name: "0" if name == "kiwipiepy" else real(name)
    )
    after = edited()
    assert {kind for kind in before if before[kind] != after[kind]} == {"rouge"}


def test_all_of_the_exact_judges_files_are_in_it():
    found = {path.name for path in judge_code.closure(TASKS / "corpus/exact_judge.py")}
    assert {path.name for path in (TASKS / "corpus").glob("exact_*.py")} <= found
