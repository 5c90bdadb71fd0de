"""`python -m bench`: every timed case, or what is named, and a Markdown table of what came out."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
import tempfile
import warnings
from pathlib import Path

import datasets
import torch
import transformers

from bench import heads, promises
from bench.models import Models
from bench.pairing import Result, machine, table
from bench.parity import Unequal

CASES = ("dpo", "generation", "rloo", "growth", "product")
SIMULATIONS = ("verdict",)  # they time nothing, and run where they are named


def main() -> None:
    """Nothing; the table is printed, and written to --out."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "cases",
        nargs="*",
        metavar="CASE",
        help=f"some of {', '.join(CASES)}; all these by default, and {', '.join(SIMULATIONS)} where it is named",
    )
    parser.add_argument("--rounds", type=int, default=7, help="rounds of theirs, ours, ours, theirs")
    parser.add_argument("--out", type=Path, help="a Markdown file for the machine and the table")
    given = parser.parse_args()
    unknown = set(given.cases) - {*CASES, *SIMULATIONS}
    if unknown:
        parser.error(f"no case {', '.join(sorted(unknown))}; there are {', '.join((*CASES, *SIMULATIONS))}")
    _quiet()
    parts, failed = [], False
    for name in (name for name in given.cases if name in SIMULATIONS):
        simulation = importlib.import_module(f"bench.{name}")
        lines = simulation.run(lambda line: print(" | ".join(line.cells()), flush=True))
        parts.append(promises.table(lines))
        failed |= any(line.kept is False for line in lines)
    timed = [name for name in given.cases or CASES if name in CASES]
    if timed:
        part, unequal = _timed(timed, given.rounds)
        parts, failed = [*parts, part], failed or unequal
    told = "\n\n".join(parts) + "\n"
    print(f"\n{told}")
    if given.out is not None:
        given.out.write_text(told, encoding="utf-8")
    sys.exit(failed)


def _timed(cases: list[str], rounds: int) -> tuple[str, bool]:
    """The machine, the table and what could not be timed, and whether there was such a case."""
    results: list[Result] = []
    unequal: list[str] = []

    def said(result: Result) -> None:
        results.append(result)
        print(" | ".join(result.cells()), flush=True)

    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as folder, heads.on_scored_positions():
        models = Models(Path(folder))
        for case in cases:
            try:
                importlib.import_module(f"bench.{case}").run(models, rounds, said)
            except Unequal as error:
                unequal.append(f"{case} is not timed to its end. {error}")
                print(unequal[-1], flush=True)
    return "\n".join([machine(), "", table(results), "", *unequal]).rstrip(), bool(unequal)


def _quiet() -> None:
    """Nothing; one thread, and no line that is not a result."""
    torch.set_num_threads(1)
    datasets.disable_progress_bars()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")


if __name__ == "__main__":
    main()
