"""How to make a comparison again: the commit, the commands, the hashes; and what the run left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.measures.language import say
from tasks.measures.seeds_model import SEEDS_NEEDED
from tasks.measures.tables import Found, Table, names

SHA, DIRTY = "git.sha", "git.dirty"
PYTHON = ".venv/bin/python"


def commits(costs: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, list[str]]:
    """Commit -> the branches trained at it, as the ledger of costs recorded; one with changes ends in ` +`."""
    found: dict[str, list[str]] = {}
    for branch, rows in costs.items():
        for code in (row.get("code", {}) for row in rows):
            if SHA in code:
                commit = code[SHA] + ("" if code.get(DIRTY) == "false" else " +")
                found.setdefault(commit, []).append(branch)
    return {commit: list(dict.fromkeys(branches)) for commit, branches in found.items()}


def told(costs: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """From which commit the trainings come, in words."""
    found = commits(costs)
    if not found:
        return say(
            "The commit of these trainings was not recorded here; `git log -1 dvc.lock` names the one that holds their "
            "results."
        )
    each = "; ".join(f"{commit} ({', '.join(branches)})" for commit, branches in found.items())
    if any(commit.endswith(" +") for commit in found):
        return say(
            "Trained at commit: {commits}. A + says that there were changes which that commit does not hold.",
            commits=each,
        )
    return say("Trained at commit: {commits}.", commits=each)


def commands(found: Found, costs: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """What to type."""
    known = commits(costs)
    commit = next(iter(known)).split()[0] if len(known) == 1 else "<commit>"
    model = f"{names(found)[0]}-{found['seeds'][0]}"
    every = {
        f"git checkout {commit}": say("the code and params.yaml that trained these branches"),
        "make run": say("takes what DVC's cache has, runs the rest, and compares"),
        f"{PYTHON} -m dvc checkout": say(
            "or, beside the dvc.lock of this comparison: its models, and nothing runs"
        ),
        f"{PYTHON} -m tasks card {model}": say("the card of one model: scores, settings, data, hashes"),
    }
    width = max(map(len, every))
    return [f"{command:<{width}}  # {comment}" for command, comment in every.items()]


def switched(found: Found) -> Table:
    """What is off by default or was small here, and how to have it."""
    judges = found["judges"]
    endpoint = [judge["name"] for judge in judges if "model" in judge]
    measured = [judge["name"] for judge in judges if judge["agreement"]]
    steps = {point["step"] for point in found["frontier"]["points"]}
    most = found["best_of"][-1]["n"] if found["best_of"] else 1
    every = [
        (
            say("BERTScore"),
            _here("bertscore" in found["scores"]["greedy"]["sft"]),
            "params.yaml: evaluate.bertscore",
        ),
        (
            say("a language model as a judge"),
            ", ".join(endpoint) or say("no"),
            "params.yaml: duel.judges (docs/judges.md)",
        ),
        (
            say("how far judges agree with people"),
            ", ".join(measured) or say("no"),
            f"{PYTHON} -m tasks agreement",
        ),
        (say("every method"), say("{count} branches", count=len(names(found))), "make run-all"),
        (
            say("claims about methods in general"),
            _here(len(found["seeds"]) >= SEEDS_NEEDED),
            say("params.yaml: seeds, at least {needed}", needed=SEEDS_NEEDED),
        ),
        (say("models on the way of each training"), _here(bool(steps)), "params.yaml: align.snapshots"),
        (
            say("best of n of sft"),
            say("up to {n}", n=most) if most > 1 else say("no"),
            "params.yaml: evaluate.best_of",
        ),
    ]
    title = say("What can be switched on")
    return Table(title, [say("what"), say("in this run"), say("how")], every, words=True)


def hashes(found: Found) -> Table:
    """SHA-256 of what was compared; the fold that it stands in has its title."""
    rows = [[name, str(value)] for name, value in found["hashes"].items() if name != "models"]
    rows += [
        [say("weights of {model}", model=name), str(value)]
        for name, value in found["hashes"]["models"].items()
    ]
    return Table("", [say("what"), "SHA-256"], rows, words=True)


def _here(there: bool) -> str:
    return say("yes") if there else say("no")
