"""What the report says of the frontier beside its plots: two tables, a caption, a warning for every onset."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from tasks.measures.evaluations import SFT
from tasks.measures.frontier import CLIMBED
from tasks.measures.language import both, phrase, say
from tasks.measures.tables import Found, Table, interval, label

CAPTION = phrase(
    "The same trainings on the way, a line a seed: from sft through the snapshots to the end, all on the first "
    "{prompts} prompts, sampled summaries. Left what fold A's reward model says, which methods that climb a reward "
    "climb, and whose pairs the others learn from; right {measure}."
)
RINGS = phrase("A ring: from there on the climbed reward still rises and {measure} falls.")
NO_RINGS = phrase("No onset of over-optimisation is seen.")
RULE = phrase(
    "Onset: the point with the highest {measure} from which to some later point the climbed reward rises and {measure} "
    "falls, the mean over seeds with both intervals clear of 0 (corrected for the number of pairs of points) and in "
    "each seed alone. Not seen does not mean that there is none: so few prompts show large changes only."
)


def caption(found: Found) -> str:
    """What the plot of the steps shows."""
    frontier, measure = found["frontier"], label(found["headline"])
    seen = any(entry["step"] is not None for entry in frontier["onset"])
    said = say(CAPTION, prompts=frontier["prompts"], measure=measure)
    return f"{said} {say(RINGS, measure=measure) if seen else say(NO_RINGS)}"


def onsets(found: Found) -> Table:
    """Where over-optimisation sets in, one row a branch."""
    measure, rows = found["headline"], []
    for entry in found["frontier"]["onset"]:
        steps = ", ".join(map(str, entry["steps"]))
        if entry["step"] is None:
            rows.append([entry["branch"], steps, say("not seen"), "-", "-", "-", "-"])
            continue
        cells = [str(entry["step"]), f"{entry['kl']:.2f}", str(entry["until"])]
        changes = [interval(entry[each], sign="+") for each in (CLIMBED, measure)]
        rows.append([entry["branch"], steps, *cells, *changes])
    header = [
        say("branch"),
        say("steps seen"),
        say("onset at step"),
        say("KL there, nats"),
        say("until step"),
    ]
    header += [say("change of {measure}", measure=label(each)) for each in (CLIMBED, measure)]
    return Table(say("Onset of over-optimisation"), header, rows, say(RULE, measure=label(measure)))


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
    header = [say("model"), say("step"), say("of its training"), say("KL, nats")]
    header += [say("standard error, at most"), *map(label, names[1:])]
    note = say(
        "Means over seeds and the first {prompts} prompts, sampled; the error is that of one seed's KL.",
        prompts=frontier["prompts"],
    )
    return Table(say("On the way"), header, rows, note)


def alarms(onset: list[dict[str, Any]], measure: str) -> list[dict[str, str]]:
    """A warning for every branch whose over-optimisation sets in on the way."""
    return [
        {"kind": "onset", "branch": entry["branch"], **both(partial(_alarm, entry, measure))}
        for entry in onset
        if entry["step"] is not None
    ]


def _alarm(entry: Mapping[str, Any], measure: str) -> str:
    return say(
        "Over-optimisation of {branch} sets in at step {step} (KL {kl} nats): until step {until} the climbed reward "
        "rises, {rise}, and {measure} falls, {fall}, in every seed.",
        kl=f"{entry['kl']:.2f}",
        rise=interval(entry[CLIMBED], sign="+"),
        measure=measure,
        fall=interval(entry[measure], sign="+"),
        **{name: entry[name] for name in ("branch", "step", "until")},
    )
