"""The sequential test in simulations: how often looking fools it, and what it saves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench import scores
from bench.promises import Line, at_most, percent
from tasks.measures import power, sequential
from tasks.measures.comparison import LOWER

LEVEL, TIES, GAP = 0.05, 0.25, 0.05


def peeking(times: int = 2000) -> Iterator[Line]:
    """How often the sequential test is fooled when it is looked at after every verdict, and a t-test so used."""
    length = 2 * power.win_gap_prompts(GAP, TIES, LEVEL)
    rng, count, fooled, peeked = np.random.default_rng(6), np.arange(1, length + 1), 0, 0
    for _ in range(times):
        series = scores.verdicts(0.0, TIES, (length,), rng)
        fooled += sequential.decided_at(series, LEVEL) is not None
        mean = series.cumsum() / count
        error = np.sqrt((np.abs(series).cumsum() / count - mean**2) / count)
        peeked += bool((np.abs(mean) > 1.96 * error)[30:].any())
    what = f"equal models, looked at after each of {length:,d} verdicts, called different by"
    share = fooled / times
    yield Line(
        f"{what} the sequential test", times, percent(share), "5 % at most", at_most(share, LEVEL, times)
    )
    yield Line(f"{what} a t-test", times, percent(peeked / times))
    found = [sequential.interval(scores.verdicts(0.4, TIES, (500,), rng), LEVEL) for _ in range(500)]
    held = float(np.mean([each.low <= 0.4 <= each.high for each in found]))
    what = "sequential interval holds a gap of 40 points after each of 500 verdicts"
    yield Line(what, 500, percent(held), "95 % at least", held >= 1 - LEVEL)


def stopping(times: int = 1000) -> Iterator[Line]:
    """How often and how early the sequential test decides, against its plan and the fixed test made for the gap."""
    planned = 2 * power.win_gap_prompts(GAP, TIES, LEVEL)
    for gap in (GAP, 2 * GAP, 4 * GAP, 6 * GAP):
        series = scores.verdicts(gap, TIES, (times, planned), np.random.default_rng(7))
        at = [sequential.decided_at(each, LEVEL) for each in series]
        decided = float(np.mean([each is not None for each in at]))
        wrong = sum(sequential.decision(each, LEVEL) == LOWER for each in series)
        asked = float(np.mean([each or planned for each in at]))
        told = (
            f"{percent(decided)} decided, {wrong} wrongly; {asked:,.0f} of {planned:,d} verdicts, "
            f"{percent(1 - asked / planned)} saved; a fixed test for this gap: "
            f"{power.win_gap_prompts(gap, TIES, LEVEL):,d}"
        )
        line = Line(f"sequential test, a true gap of {100 * gap:g} points, 25 % ties", times, told)
        yield line.against("80 % at least", decided >= power.POWER) if gap == GAP else line
