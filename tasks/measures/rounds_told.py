"""Rounds of iterated training in the report: who judged, how well, what was kept, and whether answers grow longer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.measures.blocks import Block, Section
from tasks.measures.language import both, phrase, say
from tasks.measures.tables import Found, Table

FOLDER = Path("reports/iterated")
GROWTH = 1.1  # of answers' mean length from one round to the next, from which it is said
BY_SELF, BY_REWARD = phrase("the model itself"), phrase("the reward model")
JUDGES = {"self": BY_SELF, "reward": BY_REWARD, "nobody": phrase("nobody")}
TITLE = phrase("Rounds: what each was trained on")
NOTE = phrase(
    "Means over seeds. Labelled pairs: the hold-outs of both folds, which nothing was trained on, judged by the model "
    "before it judges its own answers; a tie and an unreadable judging count half, so that a guesser has 50 %. "
    "Unreadable judgings are dropped and never a zero; prompts whose answers have one score give no row. "
    "Characters: of all its answers to the round's documents, then of chosen and rejected."
)

REPLACED = phrase(
    "{branch}: in {count} of {seeds} seeds the model was no better a judge than the bar ({bar:.0%} of labelled pairs), "
    "so the reward model judged: this is iterated training with an external judge."
)
NOTHING = phrase(
    "{branch}: in {count} of {seeds} seeds no row was left to learn from, so the model did not change."
)
GROWS = phrase(
    "{branch}: the answers it was trained on are {growth:.0%} longer than those of the round before ({after}); "
    "iterated judging is known to favour length."
)


def read(branches: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The part `rounds` of comparison.json: what the stage collect told of each iterated branch, by name."""
    names = [branch["name"] for branch in branches if branch["family"] == "iterated"]
    return {name: json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")) for name in names}


def section(found: Found, _: Any) -> Iterator[Section]:
    """The section, of a comparison with iterated branches."""
    blocks: list[Block] = [table(found)] if found.get("rounds") else []
    question = say("Who judged the answers that each round was trained on, and how well?")
    yield Section("rounds", say("Rounds"), question, blocks)


def table(found: Found) -> Table:
    """One row a branch of the family iterated."""
    header = [say("branch"), say("round"), say("goes on from"), say("judged by"), say("labelled pairs right")]
    header += [
        say("unreadable judgings"),
        say("rows of documents"),
        say("tied"),
        say("characters of answers"),
    ]
    header += [say("chosen"), say("rejected")]
    rows = [[name, *_cells(told)] for name, told in found["rounds"].items()]
    return Table(say(TITLE), header, rows, say(NOTE), words=True)


def alarms(rounds: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    """A warning for each branch whose judge was replaced, that learned nothing, or whose answers grow."""
    found = []
    for name, told in rounds.items():
        seeds = told["seeds"].values()
        replaced = sum(seed["judge"] == "reward" != told["asked"] for seed in seeds)
        nothing = sum(not seed["rows"] for seed in seeds)
        before = rounds.get(told["after"])
        growth = _mean(told, "mean_characters") / _mean(before, "mean_characters") if before else 1.0
        if replaced:
            found.append(
                _alarm(name, REPLACED, branch=name, count=replaced, seeds=len(seeds), bar=told["bar"])
            )
        if nothing:
            found.append(_alarm(name, NOTHING, branch=name, count=nothing, seeds=len(seeds)))
        if growth >= GROWTH:
            found.append(_alarm(name, GROWS, branch=name, after=told["after"], growth=growth - 1))
    return found


def _alarm(branch: str, template: str, /, **values: Any) -> dict[str, str]:
    return {"kind": "rounds", "branch": branch, **both(lambda: say(template, **values))}


def _cells(told: Mapping[str, Any]) -> list[str]:
    seeds = list(told["seeds"].values())
    judges = [seed["judge"] for seed in seeds]
    who = [f"{say(JUDGES[each])} ({judges.count(each)})" for each in dict.fromkeys(judges)]
    right = [seed["accuracy"]["accuracy"] for seed in seeds if seed["accuracy"]]
    judgings = sum(seed["readable"] + seed["unreadable"] for seed in seeds)
    lengths = [
        _shown([seed["told"].get(name) for seed in seeds])
        for name in ("mean_characters_chosen", "mean_characters_rejected")
    ]
    return [
        str(told["round"]),
        told["after"],
        ", ".join(who) if len(who) > 1 else say(JUDGES[judges[0]]),
        ", ".join(f"{each:.1%}" for each in right) or "-",
        f"{sum(seed['unreadable'] for seed in seeds) / judgings:.1%}" if judgings else "-",
        f"{_mean(told, 'rows'):.0f} / {told['documents']}",
        _shown([seed["dropped"].get("tied") for seed in seeds]),
        f"{_mean(told, 'mean_characters'):.1f}",
        *lengths,
    ]


def _shown(numbers: Sequence[float | None]) -> str:
    known = [number for number in numbers if number is not None]
    return f"{sum(known) / len(known):.1f}" if known else "-"


def _mean(told: Mapping[str, Any], name: str) -> float:
    values = [seed[name] for seed in told["seeds"].values()]
    return sum(values) / len(values)
