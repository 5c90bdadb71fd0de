"""The preference lens in the report: how strong the training pairs are, and who is labelled wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing

from tasks.measures import cures_told
from tasks.measures.blocks import Block, Figure, Section
from tasks.measures.language import phrase, say
from tasks.measures.plots import INK, MUTED, SERIES, svg
from tasks.measures.tables import Found, Table

FOLDER = Path("reports/strength")
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
    "the weakest, in the audit, where {planted} labels were turned on purpose."
)
RECALL = phrase(
    "The audit: of the {planted} labels turned on purpose {found} are among the {planted} weakest; by chance it were "
    "{chance}."
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
            name: {key: told[key] for key in cures_told.TOLD if key in told}
            for name, told in sorted(cured.items())
        },
    }


def section(found: Found, _: Any) -> Iterator[Section]:
    """The section, of a comparison that has votes or cured branches."""
    blocks: list[Block] = []
    for number, (vote, lens) in enumerate(found.get("strength", {}).get("votes", {}).items()):
        figure = Figure(lambda number=number, lens=lens: drawn(number, lens), _caption(vote, lens))
        blocks += [figure, tenths(vote, lens)]
    blocks += [*cures_told.sweeps(found), cures_told.table(found)] if cures_told.cured(found) else []
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
    if lens["voters"][1] == 1:  # a single vote has no spread
        known.remove("spread")
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
    return Table(say("Pairs by strength, vote {vote}", vote=vote), header, rows, f"{_found(lens)} {note}")


def _caption(vote: str, lens: Mapping[str, Any]) -> str:
    return say(CAPTION, vote=vote, pairs=lens["pairs"], planted=lens["audit"]["planted"])


def _found(lens: Mapping[str, Any]) -> str:
    """How many labels that were turned on purpose the votes find: in the audit, and in the pairs themselves."""
    audit, noise = lens["audit"], lens.get("noise")
    chance = f"{audit['planted'] / lens['pairs']:.0%}"
    said = say(RECALL, planted=audit["planted"], found=f"{audit['recall']:.0%}", chance=chance)
    if noise:
        said += " " + say(NOISE, noise=noise["planted"], found=f"{noise['recall']:.0%}")
    return said
