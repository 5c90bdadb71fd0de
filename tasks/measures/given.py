"""What each branch was given: its start, what it may know, its settings and how many trials these were chosen by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import rich.table
import rich.text

from tasks.measures.language import both, phrase, say
from tasks.measures.tables import Found, Table
from tasks.settings import Branch, Tuning

BY_HAND = phrase("0: settings by hand")
CHANGED = phrase("{trials}, then changed by hand")
WALK = ("optimisation.learning_rate", "optimisation.steps", "optimisation.batch_size")
SPENT = {
    "steps": phrase("steps"),
    "examples": phrase("examples"),
    "tokens": phrase("tokens trained on"),
    "generated_tokens": phrase("tokens generated"),
    "reward_calls": phrase("reward calls"),
}
TITLE = phrase("What each branch was given")
NOTE = phrase(
    "Trials: trainings on the validation split from which the settings were chosen (make tune). "
    "A start from models/base has no SFT stage behind it: that branch is a whole recipe. "
    "Steps to reward calls: of one training, the mean over seeds, with what was generated and judged for rows of its "
    "own; the pairs and the samples behind them are everybody's and count for nobody. A prompt's tokens count once "
    "beside all its completions, and an example counts as often as it is used."
)


def of(name: str, family: str, entry: Branch, tuning: Tuning | None) -> dict[str, Any]:
    """The branch's part of comparison.json."""
    settings = _flat(entry.model_dump(mode="json"))
    changed = bool(tuning) and any(settings.get(key) != value for key, value in tuning.settings.items())
    return {
        "name": name,
        "method": entry.method,
        "family": family,
        "start": _start(family, entry),
        "information": _information(family, entry),
        "settings": _shown(settings),
        "trials": tuning.trials if tuning else 0,
        "tuned_settings_changed": changed,
    }


def table(found: Found) -> Table:
    """One row a branch."""
    rows = [
        [*(branch[key] for key in ("name", "method", "family", "start")), say(branch["information"])]
        + [_said(branch["settings"]), *_spent(found, branch["name"]), _budget(branch)]
        for branch in found["branches"]
    ]
    header = [say("branch"), say("method"), say("family"), say("starts from"), say("knows"), say("settings")]
    header += [*map(say, SPENT.values()), say("tuning trials")]
    return Table(say(TITLE), header, rows, say(NOTE), words=True)


def printed(found: Found) -> rich.table.Table:
    """For the terminal: the same with all that was spent in one cell, and what differs below."""
    given, last = table(found), -1 - len(SPENT)
    differences = found.get("contract", {}).get("differences", [])
    caption = rich.text.Text("\n".join(["Declared differences:", *differences]) if differences else "")
    shown = rich.table.Table(title=given.title, caption=caption, caption_justify="left")
    for header in (*given.header[:last], "spent", given.header[-1]):
        shown.add_column(header, overflow="fold")
    for row in given.rows:
        spent = ", ".join(f"{count} {name}" for count, name in zip(row[last:-1], SPENT.values(), strict=True))
        shown.add_row(*map(rich.text.Text, (*row[:last], spent, row[-1])))  # Text: no cell is read as markup
    return shown


def alarms(branches: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """A warning where some branches were tuned by more trials than others."""

    def text() -> str:
        budgets: dict[str, list[str]] = {}
        for branch in branches:
            budgets.setdefault(_budget(branch), []).append(branch["name"])
        each = "; ".join(f"{', '.join(names)} ({budget})" for budget, names in budgets.items())
        return say(
            "Tuning budgets differ: {each}. Differences between these branches say nothing about their methods.",
            each=each,
        )

    if len({_budget(branch) for branch in branches}) < 2:
        return []
    return [{"kind": "budget", "branch": branches[0]["name"], **both(text)}]


def _start(family: str, entry: Branch) -> str:
    """Where its trainings start; one that goes on from another branch starts from that one's model of the same seed."""
    after = getattr(entry, "after", "sft")
    return (
        "models/base"
        if family == "base"
        else f"models/{after}"
        if after == "sft"
        else f"models/{after}-<seed>"
    )


def _information(family: str, entry: Branch) -> str:
    """What it learns from; whoever sees the judge itself knows more than the others."""
    if family == "feedback":
        return phrase("a teacher's scores of several sources' answers")
    if family == "cured":
        return phrase("pairs, cured by the votes of reward models")
    if family == "taught":
        return phrase("the judge's points on the samples of the pairs")
    if family == "iterated":
        own, other = (
            phrase("its own scores of its own answers"),
            phrase("the pairs' reward model, on its own answers"),
        )
        return own if getattr(entry, "judge", None) == "self" else other
    reward, ratings = getattr(entry, "reward", None), getattr(entry, "ratings", None)
    if reward:
        return {"model": phrase("the pairs' reward model"), "judge": phrase("the judge itself")}[reward]
    if ratings:
        return {"pairs": phrase("pairs, each side alone"), "own": phrase("rated rows")}[ratings]
    return phrase("pairs")


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


def _spent(found: Found, name: str) -> list[str]:
    """Its budget by the contract; a comparison that was made without one has none."""
    budget = found.get("contract", {}).get("branches", {}).get(name, {}).get("budget", {})
    return [f"{budget[each]:,}" if each in budget else "-" for each in SPENT]


def _budget(branch: Mapping[str, Any]) -> str:
    if not branch["trials"]:
        return say(BY_HAND)
    trials = branch["trials"]
    return say(CHANGED, trials=trials) if branch["tuned_settings_changed"] else str(trials)
