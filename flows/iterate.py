"""`make run-iterate`: cured pairs under known noise and rounds of iterated training, of HEAD, in a worktree of its own.

One comparison a level of noise (assets/strength.yaml), of the branch whose pairs are cured and its cures; the first, of
the level 0, has every branch of params.yaml and the rounds of assets/iterate.yaml besides. The reports lie in
reports/iterate/noise-<level>/. What is trained already is not trained again.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

if __name__ == "__main__":  # before prefect is imported, which reads its settings then
    from flows import local

    local.settle("make run-iterate")
    local.start()

from pydantic import Field

from flows import branches, cures, every, head, pipeline, worktree
from flows.repository import git
from tasks import parameters
from tasks.settings import Section, Setting

FILE = Path("assets/iterate.yaml")


class Rounds(Section):
    """What the file holds."""

    parameters: Annotated[dict[str, Setting], Field(description="of params.yaml, by dotted name")]
    walks: Annotated[dict[str, Any], Field(description="blocks that the branches share")]
    branches: Annotated[dict[str, dict[str, Any]], Field(description="by family and name")]


def main() -> int:
    """0 when every level is compared; what is finished stays finished when it is not."""
    return head.run("iterate", lambda tree: fill(tree, _levels(tree)[0]), work)


def work(one: worktree.Worktree) -> int:
    """0 when every level's comparison is there, and kept."""
    from flows import console

    for level in _levels(one.tree):
        (one.tree / "params.yaml").write_text(
            git(one.tree, "show", "HEAD:params.yaml") + "\n", encoding="utf-8"
        )
        fill(one.tree, level)
        print(f"planted noise {level:.0%}", flush=True)
        code = console.main(pipeline.pipeline)
        if code:
            return code
        every.keep(one.tree / "reports", one.main / "reports" / "iterate" / f"noise-{100 * level:g}")
    return 0


def fill(tree: Path, level: float) -> None:
    """Nothing; the tree's params.yaml, which is HEAD's, has the branches of this level."""
    found = cures.read(tree / cures.FILE)
    rounds = parameters.read_as(Rounds, tree / FILE)
    given = branches.changed(branches.of_params(tree), rounds.parameters, f"{FILE}: parameters")
    if level:
        given["branches"] = {family: {} for family in given["branches"]} | {"pairs": _of(given, found.of)}
        given["tuning"] = {name: one for name, one in given["tuning"].items() if name == found.of}
    else:
        branches.with_more(given, rounds.branches, str(FILE))
    cures.put(found, given, level)
    branches.write(given, tree)


def _of(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The raw branch alone, of the family pairs."""
    return {each: entry for each, entry in given["branches"]["pairs"].items() if each == name}


def _levels(tree: Path) -> list[float]:
    """The least noise first: the comparison of everything."""
    return sorted(cures.read(tree / cures.FILE).noise)


if __name__ == "__main__":
    sys.exit(main())
