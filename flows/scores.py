"""The comparison as the commands of `python -m tasks` tell it: its score table, and its runs in MLflow."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from tasks.ledger import receipt, view


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


def track(flow_run: object = None) -> subprocess.Popen:
    """What makes the runs that MLflow lacks, of short stages and of what DVC skipped, and the receipt of the run.

    To be waited for, and no more. flow_run: the id of the flow's run, which the receipt names.
    """
    told = {receipt.FLOW_RUN: str(flow_run)} if flow_run else {}
    return subprocess.Popen([sys.executable, "-m", "tasks", "track"], env={**os.environ, **told})


def runs() -> dict[str, str]:
    """Record -> its run in MLflow, `experiment` -> the experiment; nothing where MLflow does not answer."""
    asked = subprocess.run([sys.executable, "-m", "tasks", "runs"], capture_output=True, text=True)
    return json.loads(asked.stdout) if asked.returncode == 0 else {}
