"""The answer to the question that a comparison is made for: which branch to take, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.measures import expense, standing, tables
from tasks.measures.comparison import HIGHER, LOWER
from tasks.measures.evaluations import SFT
from tasks.measures.expense import Costs
from tasks.measures.language import say
from tasks.measures.seeds_model import SEEDS_NEEDED
from tasks.measures.tables import Found, label

LISTED = 6  # so many names stand in a sentence; of more, the rest is counted


def answer(found: Found, costs: Costs) -> str:
    """One sentence: the branch to take, those to choose from, or sft; by the verdicts on the headline, greedy."""
    stands, measure = standing.standing(found), label(found["headline"])
    higher, lower = (_to_sft(found, word) for word in (HIGHER, LOWER))
    if stands.champion:
        row = tables.difference(found, "greedy", stands.champion, SFT, found["headline"])
        said = say(
            "Take {branch}: higher than sft on {measure}, {interval}, and lower than no other branch",
            branch=stands.champion,
            measure=measure,
            interval=tables.interval(row, "difference", "+"),
        )
    elif stands.challengers:
        said = _several(found, stands.challengers, costs)
    elif higher:
        return say(
            "No clear choice: higher than sft on {measure}, but lower than a branch that is not told apart from sft: "
            "{names}.",
            measure=measure,
            names=listed(higher),
        )
    elif len(lower) == len(tables.names(found)):
        return say(
            "Keep sft: every branch is lower on {measure}: {names}.", measure=measure, names=listed(lower)
        )
    else:
        said = say("Keep sft: no branch is told apart as higher on {measure}", measure=measure)
    return f"{said}{_lower(lower)}."


def choices(found: Found) -> tuple[str, ...]:
    """The branches that the answer names as ones to take."""
    stands = standing.standing(found)
    return (stands.champion,) if stands.champion else stands.challengers


def behind(found: Found) -> list[str]:
    """What to know before the answer is followed, one sentence each: which claim it is, what speaks against it."""
    named, said = choices(found), []
    if len(found["seeds"]) < SEEDS_NEEDED:
        said.append(
            say(
                "This is about the models trained here; to say which method is better in general takes {needed} seeds.",
                needed=SEEDS_NEEDED,
            )
        )
    rows = found["differences"]["sampled"]
    agreed = {row["left"] for row in rows if _is(found, row, HIGHER)}
    other = [name for name in named if name not in agreed]
    if other:
        said.append(say("Not told apart as higher on sampled summaries: {names}.", names=listed(other)))
    warned = [name for name in named if any(alarm["branch"] == name for alarm in found["warnings"])]
    if warned:
        said.append(say("Warnings below name: {names}.", names=listed(warned)))
    return said


def listed(names: Sequence[str]) -> str:
    """The names, the first six and how many more."""
    if len(names) <= LISTED:
        return ", ".join(names)
    return say("{names} and {more} more", names=", ".join(names[:LISTED]), more=len(names) - LISTED)


def _several(found: Found, names: Sequence[str], costs: Costs) -> str:
    """The challengers, and a fact that may decide between them: no verdict does."""
    measure = label(found["headline"])
    if len(names) == 2:
        said = say(
            "{first} or {second}: both higher than sft on {measure}, and cannot be told apart",
            first=names[0],
            second=names[1],
            measure=measure,
        )
    else:
        said = say(
            "One of {names}: all higher than sft on {measure}, and the best of them cannot be told",
            names=listed(names),
            measure=measure,
        )
    return f"{said}{_tie_breaker(found, names, costs)}"


def _tie_breaker(found: Found, names: Sequence[str], costs: Costs) -> str:
    """Who is the cheapest to train by seconds, else who writes the shortest; nothing where these are equal."""
    seconds = {name: expense.whole(found, costs, name, "seconds") for name in names}
    known = {name: round(told) for name, told in seconds.items() if told is not None}
    (best, least), *_, (_, most) = _ordered(known) if len(known) == len(names) else [("", 0), ("", 0)]
    if least < most:
        return say(
            "; cheapest to train: {branch}, {least} seconds (the others up to {most})",
            branch=best,
            least=f"{least:,d}",
            most=f"{most:,d}",
        )
    greedy = found["scores"]["greedy"]
    (best, least), *_, (_, most) = _ordered({n: round(greedy[n]["characters"]["mean"]) for n in names})
    if least < most:
        return say(
            "; shortest summaries: {branch}, {least} characters (the others up to {most})",
            branch=best,
            least=least,
            most=most,
        )
    return ""


def _ordered(values: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(values.items(), key=lambda item: item[1])


def _lower(names: Sequence[str]) -> str:
    return say("; lower than sft: {names}", names=listed(names)) if names else ""


def _to_sft(found: Found, word: str) -> list[str]:
    told = {row["left"] for row in found["differences"]["greedy"] if _is(found, row, word)}
    return [name for name in tables.names(found) if name in told]


def _is(found: Found, row: tables.Found, word: str) -> bool:
    return (row["right"], row["measure"], row["verdict"]) == (SFT, found["headline"], word)
