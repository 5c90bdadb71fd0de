"""The preference lens in the report: how strong the training pairs are, who is labelled wrong, what a cure came to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing

from tasks.measures.alarms import Alarm
from tasks.measures.blocks import Block, Figure, Section
from tasks.measures.evaluations import SFT
from tasks.measures.language import both, phrase, say
from tasks.measures.plots import INK, MUTED, SERIES, svg
from tasks.measures.tables import Found, Table, interval, label, verdict

FOLDER = Path("reports/strength")
TOLD = ("rows", "dropped", "flipped", "smoothed", "flipped_against_judge", "against_judge", "audit_recall")
COLUMNS = {
    "strength": (phrase("strength"), "{:+.2f}"),
    "spread": (phrase("spread of the votes"), "{:.2f}"),
    "right": (phrase("labels that are right, audit"), "{:.0%}"),
    "judge_margin": (phrase("the judge's margin"), "{:.3f}"),
    "length_gap": (phrase("length gap, characters"), "{:+.1f}"),
    "logp_chosen": (phrase("chosen under sft, nats a token"), "{:.2f}"),
    "logp_rejected": (phrase("rejected under sft, nats a token"), "{:.2f}"),
}
CAPTION = phrase(
    "Vote {vote}. Left: strength of the {pairs} training pairs, in units of each member's root mean square; left of "
    "the line the members prefer the rejected side. Right: the share of right labels in each tenth of the pairs, from "
    "the weakest, in the audit, where {planted} labels were turned on purpose. {recall} of those turned are among "
    "the {planted} weakest; by chance it were {chance}."
)
NOISE = phrase(
    "Of the {noise} labels that pairs.planted turned before anybody was trained, {found} are among the {noise} weakest."
)


def read(votes: Sequence[str], records: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The part `strength` of comparison.json: the lens of each vote, and what was made of each cured branch's pairs.

    records: the files of reports/metrics, by name.
    """
    paths = {vote: FOLDER / f"{vote}.json" for vote in votes}
    lenses = {
        vote: json.loads(path.read_text(encoding="utf-8")) for vote, path in paths.items() if path.is_file()
    }
    cured = {name.removeprefix("cured-"): told for name, told in records.items() if name.startswith("cured-")}
    return {
        "votes": lenses,
        "cured": {
            name: {key: told[key] for key in TOLD if key in told} for name, told in sorted(cured.items())
        },
    }


def alarms(records: Mapping[str, Mapping[str, Any]]) -> list[Alarm]:
    """A warning where training labels were turned on purpose: no number of this comparison is of the pairs as given."""
    told = records.get("pairs", {})
    if not told.get("planted"):
        return []
    template = phrase(
        "{planted} of the {rows} training pairs have their labels turned on purpose (pairs.planted): every branch on "
        "pairs and the reward model behind the others learned from them. This is a trial of noise and no result."
    )
    numbers = {"planted": told["planted"], "rows": told["rows_a"]}
    return [{"kind": "noise", "branch": SFT, **both(lambda: say(template, **numbers))}]


def section(found: Found, _: Any) -> Iterator[Section]:
    """The section, of a comparison that has votes or cured branches."""
    blocks: list[Block] = []
    for number, (vote, lens) in enumerate(found.get("strength", {}).get("votes", {}).items()):
        figure = Figure(lambda number=number, lens=lens: drawn(number, lens), _caption(vote, lens))
        blocks += [figure, tenths(vote, lens)]
    blocks += [cures(found)] if _cured(found) else []
    question = say("How sure are the labels of the training pairs, and did mending them help?")
    yield Section("preferences", say("Preference lens"), question, blocks)


def drawn(number: int, lens: Mapping[str, Any]) -> str:
    """Left the histogram of strengths, right the share of right labels by tenth."""
    edges, counts = (np.array(lens["histogram"][name]) for name in ("edges", "counts"))
    right = lens["deciles"]["right"]

    def draw(figure: Drawing) -> None:
        one, other = figure.subplots(1, 2)
        one.bar(edges[:-1], counts, np.diff(edges), align="edge", color=SERIES[0])
        one.axvline(0, color=INK, linewidth=0.9)
        one.set(title=say("Strength of the pairs"), xlabel=say("strength"), ylabel=say("pairs"))
        places = range(1, len(right) + 1)
        other.plot(places, right, "o-", color=SERIES[1])
        other.axhline(1 - lens["planted_share"], color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
        other.set(title=say("Right labels by tenth (dashed: all)"), xlabel=say("tenth, from the weakest"))
        other.set_ylim(0, 1.02)

    return svg(f"strength-{number}", 2.9, draw)


def tenths(vote: str, lens: Mapping[str, Any]) -> Table:
    """One row a tenth of the pairs, from the weakest."""
    known = [name for name in COLUMNS if name in lens["deciles"]]
    header = [say("tenth"), *(say(COLUMNS[name][0]) for name in known)]
    rows = [
        [str(place + 1), *(COLUMNS[name][1].format(lens["deciles"][name][place]) for name in known)]
        for place in range(len(lens["deciles"]["strength"]))
    ]
    note = say(
        "Tenths by rank, as a share below 0 depends on how well members remember: it is {below} here. By the paper's "
        "shares a fifth is called incorrect and a fifth ambiguous; how many labels are wrong in your data, these "
        "shares do not say. Log-probabilities near each other in all tenths mean pairs of the policy's own.",
        below=f"{lens['below_zero']:.1%}",
    )
    return Table(say("Pairs by strength, vote {vote}", vote=vote), header, rows, note)


def cures(found: Found) -> Table:
    """Every cured branch: what became of the pairs, and its headline against the same method on the raw ones."""
    measure, rows = found["headline"], []
    for branch in _cured(found):
        name, settings = branch["name"], branch["settings"]
        made = found["strength"]["cured"].get(name, {})
        said = ", ".join(
            f"{key.removeprefix('cure.')} {value}"
            for key, value in settings.items()
            if key.startswith("cure.") and value not in (0, 0.0)
        )
        counts = [f"{made[key]:,}" if key in made else "-" for key in TOLD[:-1]]
        mean = f"{found['scores']['greedy'][name][measure]['mean']:.3f}"
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


def raw_of(found: Found, cured: Mapping[str, Any]) -> str | None:
    """The branch on the raw pairs that has the same method and settings, or None."""
    wanted = {name: value for name, value in cured["settings"].items() if not name.startswith("cure.")}
    for branch in found["branches"]:
        if (branch["family"], branch["method"], branch["settings"]) == ("pairs", cured["method"], wanted):
            return branch["name"]
    return None


def _against(found: Found, branch: Mapping[str, Any], measure: str) -> list[str]:
    raw = raw_of(found, branch)
    if raw is None:
        return ["-", "-", "-"]
    for row in found["differences"]["greedy"]:
        if row["measure"] == measure and {row["left"], row["right"]} == {raw, branch["name"]}:
            return [raw, interval(_less(row, raw), "difference", "+"), verdict(_word(row, raw))]
    return [raw, "-", "-"]


def _less(row: Mapping[str, Any], right: str) -> dict[str, float]:
    """The difference with this branch on the right."""
    if row["right"] == right:
        return {name: row[name] for name in ("difference", "low", "high")}
    return {"difference": -row["difference"], "low": -row["high"], "high": -row["low"]}


def _word(row: Mapping[str, Any], right: str) -> str:
    turned = {"higher": "lower", "lower": "higher"}
    return row["verdict"] if row["right"] == right else turned.get(row["verdict"], row["verdict"])


def _cured(found: Found) -> list[Mapping[str, Any]]:
    return (
        [branch for branch in found["branches"] if branch["family"] == "cured"] if "strength" in found else []
    )


def _caption(vote: str, lens: Mapping[str, Any]) -> str:
    planted = lens["audit"]["planted"]
    recall, chance = f"{lens['audit']['recall']:.0%}", f"{planted / lens['pairs']:.0%}"
    numbers = {"pairs": lens["pairs"], "planted": planted, "recall": recall, "chance": chance}
    told = say(CAPTION, vote=vote, **numbers)
    if "noise" in lens:
        noise = {"noise": lens["noise"]["planted"], "found": f"{lens['noise']['recall']:.0%}"}
        told += " " + say(NOISE, **noise)
    return told
