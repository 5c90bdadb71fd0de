"""The comparison as the commands of `python -m tasks` tell it: its score table, and its runs in MLflow."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

from tasks.ledger import view


@cache
def table() -> str:
    """The table, nothing where there is no comparison, or why it cannot be shown."""
    if not Path("reports/comparison.json").exists():
        return ""
    asked = subprocess.run([sys.executable, "-m", "tasks", "table"], capture_output=True, text=True)
    return asked.stdout if asked.returncode == 0 else asked.stderr


def page_at(address: str) -> str:
    """Where MLflow at this address shows the project's comparison; the address itself before there is one."""
    page = view.remembered()
    return f"{address}/{page}" if page else address


def track() -> subprocess.Popen:
    """What makes the runs that MLflow lacks, of short stages and of what DVC skipped: to be waited for, and no more."""
    return subprocess.Popen([sys.executable, "-m", "tasks", "track"])


def runs() -> dict[str, str]:
    """Record -> its run in MLflow, `experiment` -> the experiment; nothing where MLflow does not answer."""
    asked = subprocess.run([sys.executable, "-m", "tasks", "runs"], capture_output=True, text=True)
    return json.loads(asked.stdout) if asked.returncode == 0 else {}
