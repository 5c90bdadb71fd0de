"""A simulation's lines: what came out, held against what is promised."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Line(NamedTuple):
    """One promise: what was simulated, how often, what came out, and whether it was kept; None where none is made."""

    what: str
    simulations: int
    found: str
    promise: str = ""
    kept: bool | None = None

    def cells(self) -> list[str]:
        words = {True: "yes", False: "NO", None: ""}
        return [self.what, f"{self.simulations:,d}", self.found, self.promise, words[self.kept]]

    def against(self, promise: str, kept: bool) -> Line:
        """The same, held against a promise."""
        return self._replace(promise=promise, kept=kept)


HEADER = ["what", "simulations", "found", "promise", "kept"]


def table(lines: list[Line]) -> str:
    """The lines as a Markdown table."""
    rows = [HEADER, ["---"] * len(HEADER), *(line.cells() for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def at_most(share: float, bound: float, times: int) -> bool:
    """Whether so many simulations leave the bound standing: it is passed by 2 standard errors at most."""
    return bool(share <= bound + 2 * np.sqrt(bound * (1 - bound) / times))


def percent(share: float) -> str:
    """`12.3 %`."""
    return f"{100 * share:.1f} %"
