"""What cures of the pairs came to, in the report: each against the raw pairs, a sweep of how many are left out.

Every difference is paired by prompt, with the interval and the verdict that it has among all branches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from tasks.measures.alarms import Alarm
from tasks.measures.blocks import Figure
from tasks.measures.evaluations import SFT
from tasks.measures.language import both, phrase, say
from tasks.measures.plots import INK, SERIES, svg
from tasks.measures.strength import TRUSTED
from tasks.measures.tables import Found, Table, interval, label, verdict

TOLD = ("rows", "dropped", "flipped", "smoothed", "flipped_against_judge", "against_judge", "audit_recall")
SWEEP = phrase(
    "{raw} on all pairs (0) and without the weakest by the vote {vote}. Left: the mean with its interval. Right: the "
    "difference to {raw}, paired by prompt, with its interval; above the line leaving pairs out helped."
)
Swept = tuple[float, Mapping[str, Any]]  # the share that is left out, and the branch


def alarms(records: Mapping[str, Mapping[str, Any]]) -> list[Alarm]:
    """A warning where training labels were turned on purpose, and one for each branch whose flips nobody can trust."""
    return [*_noisy(records.get("pairs", {})), *_untrusted(records)]


def _noisy(told: Mapping[str, Any]) -> list[Alarm]:
    if not told.get("planted"):
        return []
    template = phrase(
        "{planted} of the {rows} training pairs have their labels turned on purpose (pairs.planted): every branch on "
        "pairs and the reward model behind the others learned from them. This is a trial of noise and no result."
    )
    numbers = {"planted": told["planted"], "rows": told["rows_a"]}
    return [{"kind": "noise", "branch": SFT, **both(partial(say, template, **numbers))}]


def _untrusted(records: Mapping[str, Mapping[str, Any]]) -> list[Alarm]:
    template = phrase(
        "{branch} learned from {flipped} turned pairs, by votes that find {recall} of the labels turned on purpose: "
        "at one half a flip breaks as many labels as it mends."
    )
    found = []
    for record, told in records.items():
        if record.startswith("cured-") and told["flipped"] and told["audit_recall"] <= TRUSTED:
            name = record.removeprefix("cured-")
            numbers = {"branch": name, "flipped": told["flipped"], "recall": f"{told['audit_recall']:.0%}"}
            found.append({"kind": "flips", "branch": name, **both(partial(say, template, **numbers))})
    return found


def sweeps(found: Found) -> list[Figure]:
    """A figure a raw branch and vote whose weakest pairs several entries leave out, each another share of them."""
    every: dict[tuple[str, str], list[Swept]] = {}
    for branch in cured(found):
        raw, settings = raw_of(found, branch), branch["settings"]
        if raw and not any(settings.get(f"cure.{name}") for name in ("flip", "smooth", "margin")):
            every.setdefault((raw, settings["cure.strength"]), []).append((settings["cure.drop"], branch))
    return [
        Figure(
            partial(swept, found, raw, number, sorted(some, key=itemgetter(0))),
            say(SWEEP, raw=raw, vote=vote),
        )
        for number, ((raw, vote), some) in enumerate(every.items())
        if len(some) > 1
    ]


def swept(found: Found, raw: str, number: int, some: Sequence[Swept]) -> str:
    """Left the headline by share left out, right its paired difference to the raw branch, with their intervals."""
    measure = found["headline"]
    scores = [
        found["scores"]["greedy"][name][measure] for name in (raw, *(branch["name"] for _, branch in some))
    ]
    known = [(share, _difference(found, branch, measure)) for share, branch in some]
    less = [(share, _less(row, raw)) for share, row in known if row is not None]

    def draw(figure: Drawing) -> None:
        one, other = figure.subplots(1, 2)
        _ranges(one, [0.0, *(share for share, _ in some)], scores, "mean", SERIES[0])
        one.set(title=label(measure), xlabel=say("share left out"), ylabel=label(measure))
        _ranges(other, [share for share, _ in less], [row for _, row in less], "difference", SERIES[1])
        other.axhline(0, color=INK, linewidth=0.9)
        other.set(title=say("cured less raw"), xlabel=say("share left out"))

    return svg(f"sweep-{number}", 2.9, draw)


def _ranges(
    axes: Axes, shares: Sequence[float], rows: Sequence[Mapping[str, float]], mean: str, colour: str
) -> None:
    middle = np.array([row[mean] for row in rows])
    ends = np.abs(np.array([[row["low"] for row in rows], [row["high"] for row in rows]]) - middle)
    axes.errorbar(shares, middle, ends, fmt="o-", color=colour, linewidth=0.9, capsize=3)


def table(found: Found) -> Table:
    """Every cured branch: what became of the pairs, and its headline against the same method on the raw ones."""
    measure, rows = found["headline"], []
    for branch in cured(found):
        name, settings = branch["name"], branch["settings"]
        made = found["strength"]["cured"].get(name, {})
        said = ", ".join(
            f"{key.removeprefix('cure.')} {value}"
            for key, value in settings.items()
            if key.startswith("cure.") and value not in (0, 0.0)
        )
        counts = [f"{made[key]:,}" if key in made else "-" for key in TOLD[:-1]]
        mean = interval(found["scores"]["greedy"][name][measure])
        rows.append([name, said, *counts, mean, *_against(found, branch, measure)])
    header = [say("branch"), say("cure"), say("pairs left"), say("dropped"), say("turned"), say("smoothed")]
    header += [
        say("turned against the judge"),
        say("left against the judge"),
        label(measure),
        say("raw branch"),
        say("cured less raw"),
    ]
    header += [say("verdict")]
    note = say(
        "Raw: the branch of the family pairs with the same method and settings; none where params.yaml has none. "
        "Against the judge: labels that the judge who made the pairs had otherwise, among those that the cure turned, "
        "and among all that are left; where the judge is exact, each of these is a mistake."
    )
    return Table(say("Cured pairs against raw ones"), header, rows, note)


def raw_of(found: Found, branch: Mapping[str, Any]) -> str | None:
    """The branch on the raw pairs that has the same method and settings, or None."""
    wanted = {name: value for name, value in branch["settings"].items() if not name.startswith("cure.")}
    for other in found["branches"]:
        if (other["family"], other["method"], other["settings"]) == ("pairs", branch["method"], wanted):
            return other["name"]
    return None


def _against(found: Found, branch: Mapping[str, Any], measure: str) -> list[str]:
    raw, row = raw_of(found, branch), _difference(found, branch, measure)
    if raw is None or row is None:
        return [raw or "-", "-", "-"]
    told = f"{raw} {interval(found['scores']['greedy'][raw][measure])}"
    return [told, interval(_less(row, raw), "difference", "+"), verdict(_word(row, raw))]


def _difference(found: Found, branch: Mapping[str, Any], measure: str) -> Mapping[str, Any] | None:
    """The paired difference of the branch and its raw one, whichever stands on the left."""
    both = {raw_of(found, branch), branch["name"]}
    rows = found["differences"]["greedy"]
    return next(
        (row for row in rows if row["measure"] == measure and {row["left"], row["right"]} == both), None
    )


def _less(row: Mapping[str, Any], right: str) -> dict[str, float]:
    """The difference with this branch on the right."""
    if row["right"] == right:
        return {name: row[name] for name in ("difference", "low", "high")}
    return {"difference": 0 - row["difference"], "low": 0 - row["high"], "high": 0 - row["low"]}  # no minus 0


def _word(row: Mapping[str, Any], right: str) -> str:
    word, turned = str(row["verdict"]), {"higher": "lower", "lower": "higher"}
    return word if row["right"] == right else turned.get(word, word)


def cured(found: Found) -> list[Mapping[str, Any]]:
    return (
        [branch for branch in found["branches"] if branch["family"] == "cured"] if "strength" in found else []
    )
