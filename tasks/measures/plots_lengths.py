"""The plot of lengths: how long each model's summaries are, and the headline against that."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tasks.measures.comparison import Models
from tasks.measures.evaluations import SFT
from tasks.measures.language import say
from tasks.measures.lengths import LENGTH, quantiles
from tasks.measures.plots import DOT, MUTED, PAPER, in_rows, series, svg
from tasks.measures.tables import Found, label


def lengths(found: Found, greedy: Models) -> str:
    """Left the characters of each model's greedy summaries, right each training's mean length and headline."""
    every = series(found)

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        _spread(left, every, greedy)
        _against(right, every, greedy, found["headline"])

    return svg("lengths", max(2.9, 1.1 + 0.27 * len(every)), draw)


def _spread(axes: Axes, every: list[tuple[str, str, str]], greedy: Models) -> None:
    for place, (name, colour, marker) in enumerate(every):
        lowest, low, middle, high, highest = quantiles(greedy[name][LENGTH])
        axes.plot([lowest, highest], [place, place], color=colour, linewidth=1.0)
        axes.plot([low, high], [place, place], color=colour, linewidth=4.5, alpha=0.55)
        axes.plot(middle, place, marker, color=colour, markeredgecolor=PAPER, markersize=7)
    in_rows(axes, [name for name, _, _ in every])
    axes.set(title=say("Length of greedy summaries"), xlabel=label(LENGTH))


def _against(axes: Axes, every: list[tuple[str, str, str]], greedy: Models, measure: str) -> None:
    for name, colour, marker in every:
        x, y = (greedy[name][each].mean(axis=1) for each in (LENGTH, measure))
        axes.scatter(x, y, c=colour, marker=marker, **DOT)
    axes.axhline(greedy[SFT][measure].mean(), color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    title = say("{measure} against length", measure=label(measure))
    axes.set(title=title, xlabel=say("mean length, characters"), ylabel=label(measure))
