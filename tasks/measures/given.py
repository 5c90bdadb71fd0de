"""What each branch was given: its start, what it may know, its settings and how many trials these were chosen by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import rich.table
import rich.text

from tasks.measures.tables import Found, Table
from tasks.settings import Branch, Tuning

BY_HAND = "0: settings by hand"
CHANGED = ", then changed by hand"
WALK = ("optimisation.learning_rate", "optimisation.steps", "optimisation.batch_size")
TITLE = "What each branch was given"
NOTE = (
    "Trials: trainings on the validation split from which the settings were chosen (make tune). "
    "A start from models/base has no SFT stage behind it: that branch is a whole recipe."
)


def of(name: str, family: str, entry: Branch, tuning: Tuning | None) -> dict[str, Any]:
    """The branch's part of comparison.json."""
    settings = _flat(entry.model_dump(mode="json"))
    changed = bool(tuning) and any(settings.get(key) != value for key, value in tuning.settings.items())
    return {
        "name": name,
        "method": entry.method,
        "family": family,
        "start": "models/base" if family == "base" else "models/sft",
        "information": _information(family, entry),
        "settings": _shown(settings),
        "trials": tuning.trials if tuning else 0,
        "tuned_settings_changed": changed,
    }


def table(found: Found) -> Table:
    """One row a branch."""
    rows = [
        [branch[key] for key in ("name", "method", "family", "start", "information")]
        + [_said(branch["settings"]), _budget(branch)]
        for branch in found["branches"]
    ]
    header = ["branch", "method", "family", "starts from", "knows", "settings", "tuning trials"]
    return Table(TITLE, header, rows, NOTE, words=True)


def printed(found: Found) -> rich.table.Table:
    """For the terminal."""
    given = table(found)
    shown = rich.table.Table(title=given.title)
    for header in given.header:
        shown.add_column(header, overflow="fold")
    for row in given.rows:
        shown.add_row(*map(rich.text.Text, row))  # Text: no cell is read as markup
    return shown


def alarms(branches: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """A warning where some branches were tuned by more trials than others."""
    budgets: dict[str, list[str]] = {}
    for branch in branches:
        budgets.setdefault(_budget(branch), []).append(branch["name"])
    if len(budgets) < 2:
        return []
    each = "; ".join(f"{', '.join(names)} ({budget})" for budget, names in budgets.items())
    text = (
        f"Tuning budgets differ: {each}. Differences between these branches say nothing about their methods."
    )
    return [{"kind": "budget", "branch": branches[0]["name"], "text": text}]


def _information(family: str, entry: Branch) -> str:
    """What it learns from; whoever sees the judge itself knows more than the others."""
    if family == "feedback":
        return "a teacher's scores of several sources' answers"
    reward, ratings = getattr(entry, "reward", None), getattr(entry, "ratings", None)
    if reward:
        return {"model": "the pairs' reward model", "judge": "the judge itself"}[reward]
    if ratings:
        return {"pairs": "pairs, each side alone", "own": "rated rows"}[ratings]
    return "pairs"


def _flat(block: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in block.items():
        found |= (
            _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
        )
    return found


def _shown(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The method's own settings, and of the walk what decides how far it goes."""
    own = sorted(name for name in settings if name != "method" and not name.startswith("optimisation."))
    return {name: settings[name] for name in (*own, *WALK) if name in settings}


def _said(settings: Mapping[str, Any]) -> str:
    ordered = _shown(settings)  # comparison.json has sorted them
    return ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in ordered.items())


def _budget(branch: Mapping[str, Any]) -> str:
    if not branch["trials"]:
        return BY_HAND
    return f"{branch['trials']}{CHANGED if branch['tuned_settings_changed'] else ''}"
