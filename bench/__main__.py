"""`python -m bench`: every case, or those named, and a Markdown table of what came out."""

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

from bench import heads
from bench.models import Models
from bench.pairing import Result, machine, table
from bench.parity import Unequal

CASES = ("dpo", "generation", "rloo", "growth", "product")


def main() -> None:
    """Nothing; the table is printed, and written to --out."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help=f"some of {', '.join(CASES)}; all by default"
    )
    parser.add_argument("--rounds", type=int, default=7, help="rounds of theirs, ours, ours, theirs")
    parser.add_argument("--out", type=Path, help="a Markdown file for the machine and the table")
    given = parser.parse_args()
    unknown = set(given.cases) - set(CASES)
    if unknown:
        parser.error(f"no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    _quiet()
    results: list[Result] = []
    unequal: list[str] = []

    def said(result: Result) -> None:
        results.append(result)
        print(" | ".join(result.cells()), flush=True)

    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as folder, heads.on_scored_positions():
        models = Models(Path(folder))
        for case in given.cases or CASES:
            try:
                importlib.import_module(f"bench.{case}").run(models, given.rounds, said)
            except Unequal as error:
                unequal.append(f"{case} is not timed to its end. {error}")
                print(unequal[-1], flush=True)
    told = "\n".join([machine(), "", table(results), "", *unequal]).rstrip() + "\n"
    print(f"\n{told}")
    if given.out is not None:
        given.out.write_text(told, encoding="utf-8")
    sys.exit(bool(unequal))


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
