"""The plots of the frontier: where the trainings end, and how they got there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tasks.measures.evaluations import SFT
from tasks.measures.frontier import CLIMBED
from tasks.measures.language import phrase, say
from tasks.measures.plots import DOT, INK, MUTED, series, svg
from tasks.measures.tables import Found, label

ONSET = phrase("over-optimisation sets in")
RING: dict[str, Any] = {"s": 170, "facecolors": "none", "edgecolors": INK, "linewidths": 1.3, "zorder": 4}


def ends(found: Found) -> str:
    """Headline and reward against KL, one point a branch and seed on sampled texts; SFT at KL 0."""

    def draw(figure: Figure) -> None:
        points = found["frontier"]["ends"]
        for axes, measure in _panels(figure, (found["headline"], "reward")):
            for name, colour, marker in series(found):
                x, y = _places(points, measure, branch=name)
                axes.scatter(x, y, c=colour, marker=marker, label=name, **DOT)
            _best_of(axes, found["best_of"], measure)
            _level(axes, points[0][measure])
        _legend(figure)

    return svg("frontier", 3.5, draw)


def ways(found: Found) -> str:
    """Climbed reward and headline against KL, a line a branch and seed through its snapshots; onsets in rings."""
    frontier = found["frontier"]
    points = frontier["points"]
    apart = {branch["name"] for branch in found["branches"] if branch["start"] != "models/sft"}
    set_in = {entry["branch"]: entry["step"] for entry in frontier["onset"] if entry["step"] is not None}

    def draw(figure: Figure) -> None:
        for axes, measure in _panels(figure, (CLIMBED, found["headline"])):
            start = _places(points, measure, branch=SFT)
            for name, colour, marker in series(found):
                style: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 4.5, "label": name}
                for seed in [None] if name == SFT else found["seeds"]:
                    x, y = _places(points, measure, branch=name, seed=seed)
                    if name != SFT and name not in apart:
                        x, y = start[0] + x, start[1] + y
                    axes.plot(x, y, linewidth=0.9, **style)
                    style["label"] = None  # one entry of the legend for all seeds
                if name in set_in:
                    step = set_in[name]
                    ringed = start if step == 0 else _places(points, measure, branch=name, step=step)
                    axes.scatter(*ringed, **RING)
            _best_of(axes, frontier["best_of"], measure)
            _level(axes, start[1][0])
            if set_in:
                axes.scatter([], [], label=say(ONSET), **RING)
        _legend(figure)

    return svg("frontier-steps", 3.5, draw)


def _panels(figure: Figure, measures: Sequence[str]) -> list[tuple[Axes, str]]:
    found = list(zip(figure.subplots(1, len(measures)), measures, strict=True))
    for axes, measure in found:
        title = say("{measure} against KL", measure=label(measure))
        axes.set(title=title, xlabel=say("KL to sft, nats a sequence"), ylabel=label(measure))
    return found


def _places(
    points: Sequence[Mapping[str, Any]], measure: str, **wanted: Any
) -> tuple[list[float], list[float]]:
    """KL and measure of the points that have what is wanted."""
    chosen = [point for point in points if all(point[name] == value for name, value in wanted.items())]
    return [point["kl"] for point in chosen], [point[measure] for point in chosen]


def _level(axes: Axes, height: float) -> None:
    """SFT as a flat dashed line."""
    axes.axhline(height, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))


def _best_of(axes: Axes, points: Sequence[Mapping[str, Any]], measure: str) -> None:
    """SFT's best of n as a dashed line with n beside each mark, at a bound of its KL."""
    if not points:
        return
    x, y = [point["kl_bound"] for point in points], [point[measure]["mean"] for point in points]
    name = say("Best-of-N of {sft} (KL bound)", sft=SFT)
    axes.plot(x, y, color=MUTED, linewidth=1.2, linestyle="--", marker="x", markersize=4, label=name)
    for point, place in zip(points, zip(x, y, strict=True), strict=True):
        text = axes.annotate(str(point["n"]), place, xytext=(3, -9), textcoords="offset points", fontsize=7)
        text.set_color(MUTED)


def _legend(figure: Figure) -> None:
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(6, len(labels)))
