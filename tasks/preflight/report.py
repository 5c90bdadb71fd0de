"""What the checks found, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tasks.preflight.finding import LEVELS, Finding

STYLES = {"failure": "bold red", "warning": "yellow", "note": "green", "not yet": "dim"}
FORMAT = 1


def told(findings: Sequence[Finding], seconds: float) -> dict[str, Any]:
    """The JSON document: `ok`, counts by level, seconds, and every finding with its figures."""
    counts = Counter(one.level for one in findings)
    return {
        "format": FORMAT,
        "ok": not counts["failure"],
        "counts": {level: counts[level] for level in LEVELS},
        "seconds": round(seconds, 2),
        "findings": [one._asdict() for one in findings],
    }


def written(findings: Sequence[Finding], seconds: float) -> str:
    """The same as text, one line break at its end."""
    return json.dumps(told(findings, seconds), ensure_ascii=False, indent=2, default=str) + "\n"


def table(findings: Sequence[Finding], seconds: float) -> Group:
    """The gravest first; texts of rows are shown as they are, never read as markup."""
    made = Table("", "check", "where", "what", box=None, pad_edge=False, header_style="bold")
    for level in LEVELS:
        for one in findings:
            if one.level == level:
                cure = Text(f"-> {one.cure}", style="dim" if level == "not yet" else "") if one.cure else None
                what = Group(Text(one.cause), cure) if cure else Text(one.cause)
                made.add_row(Text(level, STYLES[level]), Text(one.check), Text(one.place), what)
    return Group(made, Text(summary(findings, seconds), "bold"))


def summary(findings: Sequence[Finding], seconds: float) -> str:
    """Counts by level, and the time it took."""
    counts = Counter(one.level for one in findings)
    names = {"failure": "failures", "warning": "warnings", "note": "in order", "not yet": "not yet"}
    return f"{', '.join(f'{counts[level]} {names[level]}' for level in LEVELS)}; {seconds:.1f} s"
