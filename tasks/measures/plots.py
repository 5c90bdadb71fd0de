"""The page's plots as SVG text: the same bytes for the same numbers, colours that follow light and dark.

Matplotlib draws with stand-in colours; each becomes a CSS variable of the page. Text stays text, so that
the browser's fonts show it, whatever the script of a branch's name.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from tasks.measures.evaluations import SFT
from tasks.measures.language import say
from tasks.measures.tables import Found, label, names, pairs

INK, MUTED, GRID, PAPER = "#fd0001", "#fd0002", "#fd0003", "#fd0004"
SERIES = tuple(f"#fe00{place:02d}" for place in range(1, 9))
MARKERS = "oD^vPXs*"
VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper"} | {
    colour: f"series-{place}" for place, colour in enumerate(SERIES, start=1)
}
DOT: dict[str, Any] = {"s": 46, "edgecolors": PAPER, "linewidths": 0.8, "zorder": 3}
WIDTH = 8.6  # inches
PAIRS = 21  # of six branches; where there are more, those with SFT alone are drawn
DRAWN = re.compile(r' (?:d|x|y|transform)="[^"]*"')  # attributes that hold places
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "legend.frameon": False,
    "axes.unicode_minus": False,
}


def means(found: Found) -> str:
    """The headline's mean of every model with its own interval, greedy (filled) and sampled (hollow)."""
    measure, rows = found["headline"], list(series(found))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for place, (name, colour, marker) in enumerate(rows):
            both = [found["scores"][decoding][name][measure] for decoding in ("greedy", "sampled")]
            _ranges(axes, place, both, "mean", colour, marker)
        in_rows(axes, [name for name, _, _ in rows])
        title = say("Mean {measure} with interval (filled: greedy, hollow: sampled)", measure=label(measure))
        axes.set(title=title, xlabel=label(measure))

    return svg("means", 0.9 + 0.42 * len(rows), draw)


def differences(found: Found) -> str:
    """Every paired difference on the headline with its own interval."""
    rows, colours = pairs(found), {name: (colour, marker) for name, colour, marker in series(found)}
    if len(rows) > PAIRS:
        rows = [both for both in rows if both[0]["right"] == SFT]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axvline(0, color=INK, linewidth=0.9)
        for place, both in enumerate(rows):
            _ranges(axes, place, both, "difference", *colours[both[0]["left"]])
        in_rows(axes, [f"{greedy['left']} − {greedy['right']}" for greedy, _ in rows])
        axes.set(
            title=say("Paired differences with interval (filled: greedy, hollow: sampled)"),
            xlabel=say("difference in {measure}", measure=label(found["headline"])),
        )

    return svg("differences", 0.9 + 0.42 * len(rows), draw)


def distributions(found: Found, differences_P: Mapping[str, np.ndarray]) -> str:
    """Histogram of per-prompt differences to SFT, greedy; one panel a branch, shared axes."""
    branches = [row for row in series(found) if row[0] in differences_P]
    rows = -(-len(branches) // 3)
    columns = -(-len(branches) // rows)
    edge = max(float(np.abs(np.concatenate(list(differences_P.values()))).max()), 1e-3)

    def draw(figure: Figure) -> None:
        panels = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
        for axes, (name, colour, _) in zip(panels, branches, strict=False):
            values = np.round(differences_P[name], 9)
            axes.hist(values, bins=np.linspace(-edge, edge, 32), color=colour, zorder=2)
            axes.axvline(0, color=INK, linewidth=0.9)
            shares = _thirds(values)
            axes.set(title=name, xlabel=", ".join(shares))
            axes.tick_params(labelbottom=True)
        for axes in panels[len(branches) :]:
            axes.remove()

    return svg("distributions", 0.5 + 2.0 * rows, draw)


def seeds(found: Found) -> str:
    """The headline of every single seed, greedy, with SFT as a line."""
    spreads, measure = found["seed_spread"]["greedy"], found["headline"]
    branches = [row for row in series(found) if row[0] in spreads]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        start = found["scores"]["greedy"][SFT][measure]["mean"]
        axes.axvline(start, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), label=SFT)
        for place, (name, colour, marker) in enumerate(branches):
            x = spreads[name][measure]["by_seed"]
            axes.plot([min(x), max(x)], [place, place], color=colour, linewidth=1.2, alpha=0.5)
            axes.scatter(x, [place] * len(x), c=colour, marker=marker, **DOT)
        in_rows(axes, [name for name, _, _ in branches])
        title = say("{measure} of every seed, greedy (dashed: sft)", measure=label(measure))
        axes.set(title=title, xlabel=label(measure))

    return svg("seeds", 0.9 + 0.36 * len(branches), draw)


def series(found: Found) -> list[tuple[str, str, str]]:
    """Name, stand-in colour and marker of SFT and each branch; colours repeat after 8, markers differ."""
    rows = [(SFT, MUTED, "s")]
    for place, name in enumerate(names(found)):
        marker = MARKERS[(place + place // len(SERIES)) % len(MARKERS)]
        rows.append((name, SERIES[place % len(SERIES)], marker))
    return rows


def _thirds(values: np.ndarray) -> list[str]:
    """How many are worse, the same and better, in words."""
    found = ((say("worse"), values < 0), (say("same"), values == 0), (say("better"), values > 0))
    return [f"{word} {100 * which.mean():.0f} %" for word, which in found]


def _ranges(
    axes: Axes, place: int, both: Sequence[Mapping[str, Any]], middle: str, colour: str, marker: str
) -> None:
    """Two intervals in row `place`: greedy above and filled, sampled below and hollow."""
    for offset, face, found in zip((-0.13, 0.13), (colour, PAPER), both, strict=True):
        axes.plot([found["low"], found["high"]], [place + offset] * 2, color=colour, linewidth=1.8)
        axes.plot(found[middle], place + offset, marker, color=colour, markerfacecolor=face, markersize=6)


def in_rows(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def svg(name: str, height: float, draw: Callable[[Figure], None]) -> str:
    """The figure as an inline <svg>; the name salts its ids, so that two plots of a page do not share any."""
    text = io.StringIO()
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": f"gallim {name}"}), warnings.catch_warnings():
        # Only the measuring lacks these glyphs; the browser has its own.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(text, format="svg", metadata=nothing)
    return _inline(text.getvalue(), name)


def _inline(text: str, name: str) -> str:
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda match: match.group() if match.group(1) in used else "", text)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    text = DRAWN.sub(lambda match: re.sub(r"(\.\d\d)\d+", r"\1", match.group()), text)  # a point is 1/72 inch
    for size in ("width", "height"):  # the viewBox stays; CSS gives the size
        text = re.sub(rf'(<svg[^>]*?) {size}="[^"]*"', r"\1", text, count=1)
    return text.replace("<svg", f'<svg role="img" aria-label="{name}"', 1).strip()
