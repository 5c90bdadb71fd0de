"""`python -m flows.grid FILE` trains the branches of a grid file with other settings: `make tune`, `make sensitivity`.

Each trial is a branch of its own, `<branch>__<number>`, in a worktree of HEAD that is found again; all are trained
from one seed, evaluated on the validation split and never compared with one another by intervals. What came out lies
in reports/grids/<name of the file>/; where the file says `keep`, the best settings of each branch go there.
"""

import hashlib
import sys
from collections.abc import Callable
from itertools import product
from math import prod
from pathlib import Path
from typing import Annotated, Literal

if __name__ == "__main__":  # before prefect is imported, which reads its settings then
    from flows import local

    local.settle("python -m flows.grid")
    local.start()

from prefect.states import State
from pydantic import Field, model_validator

from flows import branches, head, pipeline, trials, tuned, worktree
from tasks import parameters
from tasks.ledger.target import NAME
from tasks.refusal import Refusal
from tasks.settings import Section, Seed, Setting, Tuning


class Grid(Section):
    """A grid file."""

    seed: Annotated[Seed, Field(description="of every trial's training; none of those that are compared")]
    split: Annotated[Literal["validation"], Field(description="whose documents decide")]
    trials: Annotated[int, Field(ge=1, description="of each branch")]
    keep: Annotated[
        str | None,
        Field(pattern=r"^assets/[\w-][\w.-]*\.yaml$", description="where the best settings go, or null"),
    ]
    grid: Annotated[
        dict[str, dict[str, list[Setting]]],
        Field(min_length=1, description="by branch and dotted name the values; their product is tried"),
    ]

    @model_validator(mode="after")
    def _each_branch_gets_as_many(self) -> "Grid":
        for branch, lists in self.grid.items():
            count = prod(map(len, lists.values()))
            if count != self.trials:
                raise ValueError(f"grid.{branch} makes {count} trials, and `trials` says {self.trials}")
            for name, values in lists.items():
                if len(set(values)) < len(values):
                    raise ValueError(f"grid.{branch}.{name}: a value stands twice")
        return self

    def settings(self) -> dict[str, list[dict[str, Setting]]]:
        """By branch its trials, in the order of the file, the last name changing fastest."""
        return {
            branch: [dict(zip(lists, values, strict=True)) for values in product(*lists.values())]
            for branch, lists in self.grid.items()
        }


def main(words: list[str]) -> int:
    """0 when every trial came through; what is finished stays finished when not."""
    try:
        if len(words) != 1:
            raise Refusal(
                "command line", "one grid file is needed", "python -m flows.grid assets/tuning.yaml"
            )
        path = Path(words[0])
        if not NAME.fullmatch(path.stem):
            raise Refusal(str(path), "is named by more than letters, digits, _ and -", "rename the file")
        grid = parameters.read_as(Grid, path)
        edition = hashlib.sha256(path.read_bytes()).hexdigest()[:6]
    except Refusal as refusal:
        print(f"gallim: {refusal}", file=sys.stderr, flush=True)
        return 2
    return head.run(f"{path.stem}-{edition}", filling(grid, path), lambda one: work(one, grid, path))


def filling(grid: Grid, path: Path) -> Callable[[Path], None]:
    """What writes a tree's params.yaml: the trials in place of the branches, one seed, the split."""

    def fill(tree: Path) -> None:
        given = branches.every(tree)
        _apart(given, grid, path)
        found = {family: {} for family in given["branches"]}
        for branch, trying in grid.settings().items():
            place = f"{path}: grid.{branch}"
            family = branches.family_of(given, branch, place)
            for number, settings in enumerate(trying, 1):
                entry = branches.changed(given["branches"][family][branch], settings, place)
                found[family][trials.name(branch, number)] = entry
        given |= {"branches": found, "seeds": [grid.seed], "tuning": {}}
        given["evaluate"]["split"] = grid.split
        given["align"]["snapshots"] = 0  # a trial is looked at by its end alone
        given["duel"]["judges"] = {}  # and by no judge who is paid by the question
        try:
            branches.write(given, tree)
        except Refusal as refusal:  # of a file that nobody sees
            raise Refusal(str(path), refusal.cause, "mend its values; nothing was run") from refusal

    return fill


def work(one: worktree.Worktree, grid: Grid, path: Path) -> int:
    """0 when every trial came through; the tables are written in any case."""
    from flows import console

    def flow(**more: bool) -> State:
        return pipeline.pipeline(without="compare", **more)  # that is for models of the held-out split

    return console.main(flow, lambda final: tell(final, one, grid, path))


def tell(final: State, one: worktree.Worktree, grid: Grid, path: Path) -> int:
    """Writes and prints what came out; 0 when every trial came through."""
    if not final.is_completed():
        print(f"\nFAILED\n{final.message}", file=sys.stderr, flush=True)
    measure, found = trials.gathered(grid.settings(), grid.seed)
    chosen = trials.best(found)
    if not chosen:
        raise Refusal(str(path), "no trial came through", "see what failed above, mend it and run again")
    folder = one.main / "reports" / "grids" / path.stem
    folder.mkdir(parents=True, exist_ok=True)
    of = {
        "file": path.name,
        "commit": one.home.name.rpartition("-")[2],
        "seed": grid.seed,
        "split": grid.split,
    }
    (folder / "trials.json").write_text(trials.as_json(measure, found, **of), encoding="utf-8")
    (folder / "trials.md").write_text(trials.markdown(measure, found), encoding="utf-8")
    print(f"\n{trials.markdown(measure, found)}\ntrials:  {folder}", flush=True)
    if grid.keep:
        keep(chosen, grid, measure, one.main / grid.keep, path)
    for branch in grid.grid.keys() - chosen.keys():
        cure = "lower its learning rates; without it no settings of this branch are tuned"
        print(f"gallim: {Refusal(f'{path}: grid.{branch}', 'every trial failed', cure)}", file=sys.stderr)
    return 0 if final.is_completed() else 1


def keep(chosen: dict[str, trials.Trial], grid: Grid, measure: str, target: Path, source: Path) -> None:
    """Writes the best settings where `make run-all` finds them."""
    given = {"trials": grid.trials, "split": grid.split, "seed": grid.seed, "measure": measure}
    found = {
        branch: Tuning.model_validate({**given, "best": trial.score, "settings": trial.settings})
        for branch, trial in chosen.items()
    }
    tuned.write(found, target, str(source))
    print(f"best:    {target}; look at it and commit it: `make run-all` takes these settings", flush=True)


def _apart(given: dict, grid: Grid, path: Path) -> None:
    """Nothing, or a Refusal where a trial would see what the comparison is about."""
    if grid.seed in given["seeds"]:
        cure = "choose a seed that is not among `seeds` in params.yaml"
        raise Refusal(f"{path}: seed", f"{grid.seed} is one of those that are compared", cure)
    if grid.split == given["evaluate"]["split"]:
        cure = "set evaluate.split in params.yaml to the other"
        raise Refusal(f"{path}: split", f"models are compared on {grid.split} too", cure)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
