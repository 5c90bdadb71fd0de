"""`make run-all`: the comparison of every method, of HEAD, in a worktree of its own that is found again.

Its branches are those of params.yaml and of assets/every-method.yaml. What is trained already, here or by `make run`,
is not trained again. At the end its report lies in reports/all/.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # before prefect is imported, which reads its settings then
    from flows import local

    local.settle("make run-all")
    local.start()

from ruamel.yaml import YAML

from flows import graph, pipeline, worktree
from flows.repository import git
from tasks import parameters
from tasks.ledger import costs, device, state
from tasks.refusal import Refusal

BRANCHES = Path("assets/every-method.yaml")
REPORTS = ("comparison.html", "comparison.md", "comparison.json")
TRAINED = ("align", "evaluate")  # what there is one of a branch and seed


def main() -> int:
    """0 when every branch is compared; what is finished stays finished when it is not."""
    from flows import console

    main_tree = state.main_tree()
    commit = git(main_tree, "rev-parse", "HEAD")
    if git(main_tree, "status", "--porcelain", "--untracked-files=no"):
        print("uncommitted edits are not part of this run: it works on HEAD", flush=True)
    try:
        with worktree.held(f"all-{commit[:10]}", fill) as one:
            os.chdir(one.tree)
            print(expected(graph.read()), flush=True)
            code = console.main(pipeline.pipeline)
            if code == 0:
                keep(one.tree / "reports", main_tree / "reports" / "all")
            return code
    except Refusal as refusal:
        print(f"gallim: {refusal}", file=sys.stderr, flush=True)
        return 2


def fill(tree: Path) -> None:
    """Nothing; the tree's params.yaml has every branch now."""
    yaml, path = YAML(), tree / "params.yaml"
    given = yaml.load(path.read_text(encoding="utf-8"))
    for family, entries in _branches(tree / BRANCHES).items():
        given["branches"].setdefault(family, {})
        given["branches"][family] = {**given["branches"][family], **entries}
    with path.open("w", encoding="utf-8") as opened:
        yaml.dump(_plain(given), opened)
    parameters.read(path)


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


def keep(source: Path, target: Path) -> None:
    """Copies the report out of the worktree, each file whole."""
    target.mkdir(parents=True, exist_ok=True)
    for name in REPORTS:
        fresh = target / f"{name}.new"
        shutil.copy2(source / name, fresh)
        fresh.replace(target / name)


def _branches(path: Path) -> dict[str, Any]:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))["branches"]


def _plain(given: Any) -> Any:
    """Without anchors and comments, which would stand where other values are now."""
    if isinstance(given, dict):
        return {name: _plain(value) for name, value in given.items()}
    return [_plain(value) for value in given] if isinstance(given, list) else given


def _seconds(kind: str) -> float | None:
    """Mean seconds of such stages here, None where there was none."""
    found = [costs.read(path.stem).get("seconds") for path in (state.root() / "costs").glob(f"{kind}-*.json")]
    known = [seconds for seconds in found if seconds]
    return sum(known) / len(known) if known else None


if __name__ == "__main__":
    sys.exit(main())
