"""What a training costs, and what a point of the headline costs, by branch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.measures.comparison import HIGHER, LOWER
from tasks.measures.evaluations import SFT
from tasks.measures.language import say
from tasks.measures.tables import Found, Table, difference, label, names

Costs = Mapping[
    str, Sequence[Mapping[str, Any]]
]  # branch -> the costs of its trainings, as the ledger has them
POINT = 0.01  # of the headline
MEBIBYTE = 2**20


def mean(costs: Costs, branch: str, column: str) -> float | None:
    """The mean over the branch's trainings that recorded it; None where none did."""
    told = [row[column] for row in costs.get(branch, []) if isinstance(row.get(column), int | float)]
    return sum(told) / len(told) if told else None


def chain(found: Found, branch: str) -> list[str]:
    """The branch and the branches that it goes on from, the last one first."""
    after = {each["name"]: each.get("settings", {}).get("after") for each in found["branches"]}
    names = [branch]
    while after.get(names[-1]) in after:
        names.append(after[names[-1]])
    return names


def whole(found: Found, costs: Costs, branch: str, column: str) -> float | None:
    """The means of all trainings on the way to the branch, summed; None where one is not known."""
    told = [mean(costs, each, column) for each in chain(found, branch)]
    known = [each for each in told if each is not None]
    return sum(known) if len(known) == len(told) else None


def tokens(found: Found, branch: str) -> tuple[int, int] | None:
    """Tokens that one training learned from, and those that were generated for it; None without a contract."""
    budget = found.get("contract", {}).get("branches", {}).get(branch, {}).get("budget")
    return (budget["tokens"], budget["generated_tokens"]) if budget else None


def points(found: Found, branch: str) -> float | None:
    """How many points of the headline it gained on sft, greedy; None where it is not told apart as higher."""
    row = difference(found, "greedy", branch, SFT, found["headline"])
    return row["difference"] / POINT if row["verdict"] == HIGHER else None


def table(found: Found, costs: Costs) -> Table:
    """Mean cost of one training by branch, as the machine that trained it measured, and the cost of a point."""
    measure, rows = label(found["headline"]), []
    for name in names(found):
        seconds, memory = (mean(costs, name, column) for column in ("seconds", "peak_memory_bytes"))
        spent, gained = tokens(found, name), points(found, name)
        cells = [seconds, *(spent or (None, None)), None if memory is None else memory / MEBIBYTE]
        ways = [tokens(found, each) for each in chain(found, name)]
        read = None if None in ways else sum(sum(way) for way in ways if way)
        cells += [_each(whole(found, costs, name, "seconds"), gained), _each(read, gained)]
        rows.append([name, *("-" if cell is None else f"{cell:,.0f}" for cell in cells)])
    header = [say("branch"), say("seconds"), say("tokens trained on"), say("tokens generated")]
    header += [say("peak memory, MiB"), say("seconds for {point} of {measure}", point=POINT, measure=measure)]
    header += [say("tokens for {point} of {measure}", point=POINT, measure=measure)]
    note = say(
        "Means over seeds, of one training alone: the stages that all branches share (sft, the pairs, the reward "
        "models) count for nobody. Seconds and memory were measured where the branch was trained, on whatever machine "
        "that was, and are not part of comparison.json. The last two columns divide by the gain on sft, which has an "
        "interval of its own: they are rough; of a branch that goes on from others they count these, too."
    )
    return Table(say("Cost of one training"), header, rows, " ".join([note, *_without(found, costs)]))


def _each(spent: float | None, gained: float | None) -> float | None:
    return None if spent is None or gained is None else spent / gained


def _without(found: Found, costs: Costs) -> list[str]:
    """Who has no cost per point, and why, one sentence a reason."""
    order = names(found)
    verdicts = {name: difference(found, "greedy", name, SFT, found["headline"])["verdict"] for name in order}
    lower = [name for name in order if verdicts[name] == LOWER]
    same = [name for name in order if verdicts[name] not in (HIGHER, LOWER)]
    unknown = [name for name in order if verdicts[name] == HIGHER and mean(costs, name, "seconds") is None]
    said = [say("No cost per point, as lower than sft: {names}.", names=", ".join(lower))] if lower else []
    if same:
        said.append(say("No cost per point, as not told apart from sft: {names}.", names=", ".join(same)))
    if unknown:
        said.append(say("No seconds were recorded here: {names}.", names=", ".join(unknown)))
    return said
