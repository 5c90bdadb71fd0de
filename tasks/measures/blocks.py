"""What a section of the report is made of; markup.py and markdown.py show each kind of block in their own way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tasks.measures.comparison import Models
from tasks.measures.examples import Example
from tasks.measures.tables import Table

ROWS = 25  # a table of more rows is folded
PAIRS = 6  # of more pairs than these the sentences between branches are folded


class Extras(NamedTuple):
    """What the report shows and comparison.json does not hold: texts, values by prompt, costs."""

    examples: Sequence[Example]
    greedy: Models
    costs: Mapping[str, Sequence[Mapping[str, Any]]]


class Figure(NamedTuple):
    """A plot, drawn when it is shown, and what it shows."""

    draw: Callable[[], str]
    caption: str


class Sentences(NamedTuple):
    """One sentence an item with its class: a verdict, or nothing for plain text."""

    items: Sequence[tuple[str, str]]


class Folded(NamedTuple):
    """What stands open on a click alone."""

    summary: str
    block: Block


class Commands(NamedTuple):
    """Lines for a shell."""

    lines: Sequence[str]


class Markup(NamedTuple):
    """Escaped HTML, for the page alone: the Markdown has a table of the same."""

    html: str


Block = Table | Figure | Sentences | Folded | Commands | Markup | Example


class Section(NamedTuple):
    """A part of the report: its anchor, heading, the question it answers, and its blocks."""

    anchor: str
    heading: str
    question: str
    blocks: Sequence[Block]
