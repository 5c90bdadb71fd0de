"""`make run-all`: the comparison of every method, of HEAD, in a worktree of its own that is found again.

Its branches are those of params.yaml and of assets/every-method.yaml, with the settings of assets/tuned.yaml where
`make tune` has written that. What is trained already, here or by `make run`, is not trained again. At the end its
report lies in reports/all/.
"""

import shutil
import sys
from pathlib import Path

if __name__ == "__main__":  # before prefect is imported, which reads its settings then
    from flows import local

    local.settle("make run-all")
    local.start()

from flows import branches, head, pipeline, tuned, worktree
from tasks import parameters

REPORTS = ("comparison.html", "comparison.ko.html", "comparison.md", "comparison.ko.md", "comparison.json")


def main() -> int:
    """0 when every branch is compared; what is finished stays finished when it is not."""
    return head.run("all", fill, work)


def fill(tree: Path) -> None:
    """Nothing; the tree's params.yaml has every branch now, tuned where that was done."""
    given = branches.every(tree)
    tuned.put(tuned.read(tree / tuned.FILE), given)
    branches.write(given, tree)


def work(one: worktree.Worktree) -> int:
    """0 when the comparison is there, and kept."""
    from flows import console

    print(settings(parameters.read()), flush=True)
    code = console.main(pipeline.pipeline)
    if code == 0:
        keep(one.tree / "reports", one.main / "reports" / "all")
    return code


def settings(given: parameters.Parameters) -> str:
    """Whose settings are tuned."""
    every, found = given.branches.entries(), given.tuning
    if not found:
        return "settings by hand: `make tune` gives every branch the same number of trials"
    left = ", ".join(name for name in every if name not in found)
    by_hand = f"; by hand are those of {left}" if left else ""
    return f"settings of {len(found)} of {len(every)} branches are tuned ({tuned.FILE}){by_hand}"


def keep(source: Path, target: Path) -> None:
    """Copies the report out of the worktree, each file whole."""
    target.mkdir(parents=True, exist_ok=True)
    for name in REPORTS:
        fresh = target / f"{name}.new"
        shutil.copy2(source / name, fresh)
        fresh.replace(target / name)


if __name__ == "__main__":
    sys.exit(main())
