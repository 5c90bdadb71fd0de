"""What a run makes of the check ahead of it."""

import json
import sys
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from flows import ahead
from tasks.refusal import Refusal


def said(text: str, code: int = 0):
    script = "import sys; sys.stdout.write(sys.argv[1]); sys.stderr.write('it broke\\n'); sys.exit(int(sys.argv[2]))"
    return Popen([sys.executable, "-S", "-c", script, text, str(code)], stdout=PIPE, stderr=PIPE, text=True)


def finding(level: str) -> dict:
    return {"level": level, "check": "pairs", "place": "data/pairs", "cause": f"a {level}", "cure": "mend it"}


def test_a_failure_stops_the_run_and_names_place_cause_and_cure():
    told = json.dumps({"findings": [finding("note"), finding("failure"), finding("warning")]})
    with pytest.raises(
        Refusal, match="check: failure: data/pairs: a failure; mend it; mend that; nothing was run"
    ):
        ahead.require(said(told, 2))


def test_warnings_are_told_and_notes_are_not():
    told = json.dumps({"findings": [finding("note"), finding("warning"), finding("not yet")]})
    assert ahead.require(said(told)) == ["warning: data/pairs: a warning; mend it"]


def test_a_check_that_breaks_down_says_so_and_lets_the_run_begin():
    [line] = ahead.require(said("Traceback", 1))
    assert "could not be made (it broke)" in line


def test_a_tree_without_the_command_has_no_check(tmp_path: Path):
    assert ahead.begin(tmp_path) is None
    assert ahead.require(None) == []
