"""`python -m fuzz`: every case through its door, a table of what became of them, exit code 1 where there is a fault."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from pathlib import Path

from fuzz import drawn, run, settings
from tasks.refusal import Refusal

EVERY = 12  # place in a file of settings
EXAMPLES = 200  # rows that hypothesis draws for each door


def main() -> int:
    """0 where every case was refused or cleaned with a count, and every good row arrived."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="that hypothesis draws for each door")
    parser.add_argument("--out", type=Path, help="a Markdown file for the table")
    given = parser.parse_args()
    began = time.monotonic()
    warnings.simplefilter("ignore")  # of what we feed it, pyarrow says so
    try:
        settings.good()
    except Refusal as refusal:
        print(f"gallim: {refusal}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        for tally in run.everything(Path(folder)):
            print(f"{tally.cases} cases, {time.monotonic() - began:.0f} s", flush=True)
        settings.through(tally, Path(folder), EVERY)
        print(f"{tally.cases} cases, {time.monotonic() - began:.0f} s", flush=True)
        drawn.through(tally, Path(folder), given.examples)
    told = run.table(tally)
    print(f"\n{told}\n\n{tally.cases} cases, {len(tally.faults)} faults, {time.monotonic() - began:.0f} s")
    for found in tally.faults[:20]:
        print(f"FAULT {found.door}, {found.kind}: {found.what}: {found.sample!r}")
    if given.out is not None:
        given.out.write_text(told + "\n", encoding="utf-8")
    return int(bool(tally.faults))


if __name__ == "__main__":
    sys.exit(main())
