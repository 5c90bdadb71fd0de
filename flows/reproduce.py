"""`python -m tasks reproduce RUN`: the run of a receipt once more, in a worktree of its commit, with an empty cache.

Every stage runs again, one after another, and its outputs are held against the receipt's hashes: bit-equal, within the
tolerance of likeness.py, or different. 0 for the first two, 1 for the last, 2 when it could not begin.
"""

import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from flows import stage_process, worktree
from flows.again import DIFFERENT, EQUAL, Again, needs
from flows.repository import git
from tasks.ledger import artifacts, machine, receipt, receipts, state
from tasks.ledger.receipts import Receipt
from tasks.ledger.target import Parser
from tasks.refusal import Refusal

VERDICTS = ".verdicts.jsonl"  # of a judge that is asked over the network
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
ROOM = 2.0  # times the outputs: they, and what is written on the way


def main(words: Sequence[str]) -> int:
    """Runs what the words ask for and says how it came out."""
    parser = Parser(prog="python -m tasks reproduce", description="Run a receipt's run again and compare.")
    parser.add_argument("run", help="the receipt's name or path; `latest` is the newest of this tree")
    parser.add_argument("--until", metavar="STAGE", help="no further than this stage of dvc.yaml")
    parser.add_argument("--keep", action="store_true", help="keep the worktree")
    parser.add_argument(
        "--ask", action="store_true", help="ask judges over the network again, which may cost money"
    )
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        given = parser.parse_args(words)
        run = receipts.read(given.run)
        wanted = chosen(run, given.until)
        _require_possible(run, wanted, given.ask)
        print("\n".join(warnings(run)), flush=True)
        return _work(run, wanted, given.keep)
    except Refusal as refusal:
        print(f"gallim: {refusal}", file=sys.stderr, flush=True)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on behind the stages that are done", file=sys.stderr)
        return 128 + signal.SIGINT


def chosen(run: Receipt, until: str | None) -> list[str]:
    """The receipt's stages in the order of the graph: all, or those of this name and what they need."""
    if until is None:
        return list(run.stages)
    wanted = {name for name in run.stages if until in (name, name.partition("@")[0])}
    if not wanted:
        groups = ", ".join(dict.fromkeys(name.partition("@")[0] for name in run.stages))
        raise Refusal(
            f"command line: --until {until}", "the receipt has no such stage", f"say one of {groups}"
        )
    for name in reversed(list(run.stages)):
        if name in wanted:
            wanted |= needs(run, name)
    return [name for name in run.stages if name in wanted]


def warnings(run: Receipt) -> list[str]:
    """What may make a difference, before anything runs."""
    found = run.found
    lines = [f"receipt {run.name}, made {found['made']} of commit {found['git']['sha']}"]
    if not run.is_whole:
        lines.append("warning: the receipt was edited after it was written")
    compute = receipt.compute_of(found["params"]["text"])
    now = machine.described(compute)
    lines += [f"warning: another machine: {line}" for line in machine.differences(found["environment"], now)]
    for path in changes(found):
        same = _is(state.main_tree() / path, found["git"]["changed"][path])
        lines.append(
            f"warning: {path} was not as in the commit; {'taken from here' if same else 'and it is gone'}"
        )
    left = [one["name"] for one in found["stages"] if not one["current"]]
    return lines + ([f"warning: the run had no result of {', '.join(left)}"] if left else [])


def changes(found: dict) -> list[str]:
    """Files that the run had otherwise than its commit, but for the parameters, which the receipt has itself."""
    paths = [path for path in found["git"]["changed"] if path != receipt.PARAMS.as_posix()]
    for path in paths:
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise Refusal("the receipt", f"names a file outside of the project: {path}", "take another one")
    return paths


def _require_possible(run: Receipt, wanted: list[str], ask: bool) -> None:
    """A Refusal where there is no commit, no room, or a price."""
    commit, home = run.found["git"]["sha"], state.main_tree()
    if not COMMIT.fullmatch(commit or ""):
        raise Refusal(f"receipt {run.name}", "names no commit", "run in a git repository with a commit")
    git(home, "cat-file", "-e", f"{commit}^{{commit}}")
    paid = [name for name in wanted if _asks(run, name)]
    if paid and not ask:
        cure = "say --ask, which may cost money, or --until a stage before them"
        raise Refusal(
            f"receipt {run.name}", f"{', '.join(paid)} would ask a judge over the network again", cure
        )
    sizes = [
        one["size"]
        for name in wanted
        for out in run.stages[name]["outs"].values()
        for one in out["files"].values()
    ]
    needed, free = ROOM * sum(sizes), shutil.disk_usage(home).free
    if needed > free:
        cause = f"needs about {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"
        raise Refusal(f"receipt {run.name}", cause, "make room, for instance by `dvc gc --workspace`")


def _work(run: Receipt, wanted: list[str], keep: bool) -> int:
    again = Again(run, state.main_tree())
    with worktree.held(
        f"again-{run.name}", lambda tree: _fill(run, tree), run.found["git"]["sha"], alone=True
    ) as one:
        _settle(one)
        os.chdir(one.tree)
        stage_process.begin()
        for name in wanted:
            began = time.monotonic()
            ending = stage_process.run(name, lambda line: None, one.logs / f"{name}.log")
            if ending.code:
                again.note(name, DIFFERENT, f"failed: {ending.reason} (log: {one.logs / f'{name}.log'})")
                break
            print(f"{name}: {again.judge(name)} ({time.monotonic() - began:.1f} s)", flush=True)
        print("\n".join(_told(again, wanted)), flush=True)
        os.chdir(one.main)
        if keep or again.outcome == DIFFERENT:
            one.whole.unlink()  # the next reproduction of it begins anew
            print(f"its files: {one.tree}")
        else:
            worktree.remove(one)
    return int(again.outcome == DIFFERENT)


def _told(again: Again, wanted: list[str]) -> list[str]:
    done = len(again.stages)
    lines = [f"\n{again.outcome}: {done} of {len(wanted)} stages run again"]
    if again.first:
        lines.append(f"first that differs: {again.first}")
    then, path = again.run.found["headline"].get("verdicts"), receipt.COMPARISON
    if again.outcome != EQUAL and then and "compare" in again.stages and path.is_file():
        now = receipt.summary(json.loads(path.read_text(encoding="utf-8")))["verdicts"]
        other = [
            f"{pair}: {then[pair]['verdict']} then, {now[pair]['verdict']} now"
            for pair in then
            if pair in now and then[pair]["verdict"] != now[pair]["verdict"]
        ]
        lines += other or ["every verdict on the headline is the same"]
    return lines


def _fill(run: Receipt, tree: Path) -> None:
    """The run's parameters, and what it had besides its commit where that is still here."""
    (tree / receipt.PARAMS).write_text(run.found["params"]["text"], encoding="utf-8")
    for path in changes(run.found):
        known, source, target = run.found["git"]["changed"][path], state.main_tree() / path, tree / path
        if known == "gone":
            target.unlink(missing_ok=True)
        elif _is(source, known):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def _settle(one: worktree.Worktree) -> None:
    """Checkpoints, costs and MLflow's runs of its own; the cores and GPUs are shared with everybody."""
    home, locks = one.home / "state", state.folder("locks")
    home.mkdir(exist_ok=True)
    if not (home / "locks").exists():
        (home / "locks").symlink_to(locks)
    os.environ["GALLIM_STATE"] = str(home)
    for name in (
        "MLFLOW_TRACKING_URI",
        "HF_HUB_OFFLINE",
    ):  # each stage decides on the second by the run's parameters
        os.environ.pop(name, None)


def _is(path: Path, sha256: str) -> bool:
    """Whether this file is here with these bytes, or gone as it was."""
    return artifacts.of_file(path).sha256 == sha256 if path.is_file() else sha256 == "gone"


def _asks(run: Receipt, name: str) -> bool:
    """Whether the stage kept replies of a judge that is asked over the network."""
    return any(
        path.endswith(VERDICTS) and one["size"]
        for out in run.stages[name]["outs"].values()
        for path, one in out["files"].items()
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
