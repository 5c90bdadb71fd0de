"""A comparison's rich tables, for the end of a run; in English, like everything that a terminal shows."""

from __future__ import annotations

import rich.table
import rich.text
from rich.console import Group

from tasks.measures import given
from tasks.measures.evaluations import SFT
from tasks.measures.tables import Found, difference, interval, label, mark, names, percent, shown

SURFACE = ("rougeL", "characters", "no_eos")


def printed(found: Found) -> Group:
    """What each branch was given, and what it came to."""
    return Group(given.printed(found), scores(found))


def scores(found: Found) -> rich.table.Table:
    """The headline greedy and sampled with its differences to SFT, reward, KL, surface."""
    measure, seeds = found["headline"], ", ".join(map(str, found["seeds"]))
    caption = (
        f"{found['prompts']} prompts, seeds {seeds}; {percent(found)} intervals; "
        "▲ higher than sft, ▼ lower, = cannot tell apart, after Holm; reward and KL of sampled summaries"
    )
    title = f"{label(measure)} of each model, and its difference to sft"
    table = rich.table.Table(title=title, caption=caption)
    kinds = ("greedy", "difference", "sampled", "difference", "reward", "KL")
    for header in ("model", *kinds, *map(label, SURFACE)):
        table.add_column(header, no_wrap=header in ("model", "difference"), overflow="fold")
    for name in (SFT, *names(found)):
        greedy, sampled = (found["scores"][decoding][name] for decoding in ("greedy", "sampled"))
        cells = [name]
        for decoding in ("greedy", "sampled"):
            mean = found["scores"][decoding][name][measure]["mean"]
            cells += [f"{mean:.3f}", _gain(found, decoding, name, measure)]
        cells += [shown(each, sampled[each]["mean"]) for each in ("reward", "kl_k1")]
        cells += [shown(each, greedy[each]["mean"]) for each in SURFACE]
        table.add_row(*(rich.text.Text(cell) for cell in cells))  # Text: no cell is read as markup
    return table


def _gain(found: Found, decoding: str, name: str, measure: str) -> str:
    if name == SFT:
        return ""
    row = difference(found, decoding, name, SFT, measure)
    return f"{interval(row, 'difference', '+')}{mark(found, decoding, name, measure) or ' ='}"
