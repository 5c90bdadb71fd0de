"""A run of HEAD in a worktree of its own that is found again: `make run-all`, `make tune`, `make sensitivity`."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from flows import graph, worktree
from flows.repository import git
from tasks import parameters
from tasks.ledger import costs, device, state
from tasks.refusal import Refusal

TRAINED = ("align", "evaluate")  # what there is one of a branch and seed


def run(name: str, fill: Callable[[Path], None], work: Callable[[worktree.Worktree], int]) -> int:
    """What `work` gives, called in the worktree `<name>-<commit>`; 2 when it could not begin.

    fill: is given a new tree, to write its parameters.
    """
    # a shell starts what it puts behind `&` deaf to it; the worktree and DVC's graph take a minute before a stage
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        main_tree = state.main_tree()
        commit = git(main_tree, "rev-parse", "HEAD")
        if git(main_tree, "status", "--porcelain", "--untracked-files=no"):
            print("uncommitted edits are not part of this run: it works on HEAD", flush=True)
        with worktree.held(f"{name}-{commit[:10]}", fill) as one:
            os.chdir(one.tree)
            print(expected(graph.read()), flush=True)
            return work(one)
    except Refusal as refusal:
        print(f"gallim: {refusal}", file=sys.stderr, flush=True)
        return 2
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 128 + signal.SIGINT


def expected(stages: list[graph.Stage]) -> str:
    """How many trainings there are to do, and about how long they take by what such took here before."""
    todo = [one for one in stages if not one.current and one.group.startswith(TRAINED)]
    trainings = sum(one.group.startswith("align") for one in todo)
    known = {kind: _seconds(kind) for kind in TRAINED}
    told = f"{trainings} trainings to do of {sum(one.group.startswith('align') for one in stages)}"
    if not trainings or None in known.values():
        return told
    seconds = sum(known[one.group.partition("-")[0]] or 0 for one in todo) / len(
        device.all_slots(parameters.read().compute.device)
    )
    return f"{told}, about {seconds / 60:.0f} min by what the last ones took here; Ctrl-C keeps what is done"


def _seconds(kind: str) -> float | None:
    """Mean seconds of such stages here, None where there was none."""
    found = [costs.read(path.stem).get("seconds") for path in (state.root() / "costs").glob(f"{kind}-*.json")]
    known = [seconds for seconds in found if seconds]
    return sum(known) / len(known) if known else None
