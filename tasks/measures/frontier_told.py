"""What the report says of the frontier beside its plots: two tables, a caption, a warning for every onset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tasks.measures.evaluations import SFT
from tasks.measures.frontier import CLIMBED
from tasks.measures.tables import Found, Table, interval, label

CAPTION = (
    "The same trainings on the way, a line a seed: from sft through the snapshots to the end, all on the first {} "
    "prompts, sampled summaries. Left what fold A's reward model says, which methods that climb a reward climb, and "
    "whose pairs the others learn from; right {}. "
)
RINGS = "A ring: from there on the climbed reward still rises and {} falls."
NO_RINGS = "No onset of over-optimisation is seen."
RULE = (
    "Onset: the point with the highest {} from which to some later point the climbed reward rises and {} falls, "
    "the mean over seeds with both intervals clear of 0 (corrected for the number of pairs of points) and in each "
    "seed alone. Not seen does not mean that there is none: so few prompts show large changes only."
)


def caption(found: Found) -> str:
    """What the plot of the steps shows."""
    frontier, measure = found["frontier"], label(found["headline"])
    seen = any(entry["step"] is not None for entry in frontier["onset"])
    return CAPTION.format(frontier["prompts"], measure) + (RINGS.format(measure) if seen else NO_RINGS)


def onsets(found: Found) -> Table:
    """Where over-optimisation sets in, one row a branch."""
    measure, rows = found["headline"], []
    for entry in found["frontier"]["onset"]:
        steps = ", ".join(map(str, entry["steps"]))
        if entry["step"] is None:
            rows.append([entry["branch"], steps, "not seen", "-", "-", "-", "-"])
            continue
        cells = [str(entry["step"]), f"{entry['kl']:.2f}", str(entry["until"])]
        changes = [interval(entry[each], sign="+") for each in (CLIMBED, measure)]
        rows.append([entry["branch"], steps, *cells, *changes])
    header = ["branch", "steps seen", "onset at step", "KL there, nats", "until step"]
    header += [f"change of {label(each)}" for each in (CLIMBED, measure)]
    words = label(measure)
    return Table("Onset of over-optimisation", header, rows, RULE.format(words, words))


def points(found: Found) -> Table:
    """Every step's means over seeds."""
    measure, frontier = found["headline"], found["frontier"]
    by_step: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for point in frontier["points"]:
        by_step.setdefault((point["branch"], point["step"]), []).append(point)
    names = ("kl", measure, CLIMBED, "reward")
    rows = []
    for (name, step), some in by_step.items():
        share = f"{100 * some[0]['share_of_training']:.0f} %"
        numbers = [float(np.mean([point[each] for point in some])) for each in names]
        largest = "-" if name == SFT else f"{max(point['kl_se'] for point in some):.2f}"
        cells = [f"{numbers[0]:.2f}", largest, *(f"{number:.3f}" for number in numbers[1:])]
        rows.append([name, str(step), share, *cells])
    header = [
        "model",
        "step",
        "of its training",
        "KL, nats",
        "standard error, at most",
        *map(label, names[1:]),
    ]
    note = f"Means over seeds and the first {frontier['prompts']} prompts, sampled; the error is that of one seed's KL."
    return Table("On the way", header, rows, note)


def alarms(onset: list[dict[str, Any]], measure: str) -> list[dict[str, str]]:
    """A warning for every branch whose over-optimisation sets in on the way."""
    return [
        {
            "kind": "onset",
            "branch": entry["branch"],
            "text": (
                f"Over-optimisation of {entry['branch']} sets in at step {entry['step']} (KL {entry['kl']:.2f} "
                f"nats): until step {entry['until']} the climbed reward rises, "
                f"{interval(entry[CLIMBED], sign='+')}, and {measure} falls, {interval(entry[measure], sign='+')}, "
                "in every seed."
            ),
        }
        for entry in onset
        if entry["step"] is not None
    ]
