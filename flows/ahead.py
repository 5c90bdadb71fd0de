"""`python -m tasks check` before a run, in a process of its own beside which Prefect starts: no torch in the flow's."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tasks.refusal import Refusal

SAID = ("failure", "warning")  # levels that a run's output repeats


def begin(tree: Path | None = None) -> subprocess.Popen[str] | None:
    """The check of what is due in this tree, started, which ends with this process; None in a tree without one."""
    if not (tree or Path()).joinpath("tasks/check.py").is_file():
        return None
    words = (sys.executable, "-m", "tasks", "check", "--json", "-", "--if-due")
    return subprocess.Popen(words, cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def require(check: subprocess.Popen[str] | None) -> list[str]:
    """What it warns of, one line each; a Refusal when something would fail.

    A check that breaks down says so, and lets the run begin.
    """
    if check is None:
        return []
    try:
        out, errors = check.communicate()
    except BaseException:
        check.kill()
        raise
    try:
        told: dict[str, Any] = json.loads(out)
    except ValueError:
        last = (errors.strip().splitlines() or ["it said nothing"])[-1]
        return [f"the check ahead of the run could not be made ({last}); each stage checks its own inputs"]
    lines = {level: [line(one) for one in told["findings"] if one["level"] == level] for level in SAID}
    if lines["failure"]:
        cure = "mend that; nothing was run (`python -m tasks check` tells it in a table)"
        raise Refusal("check", "; ".join(lines["failure"]), cure)
    return lines["warning"]


def line(finding: dict[str, Any]) -> str:
    """One finding as one line."""
    return f"{finding['level']}: {finding['place']}: {finding['cause']}; {finding['cure']}"
