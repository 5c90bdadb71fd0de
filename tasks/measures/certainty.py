"""What the verdicts on the headline stand on, for readers: tables and sentences about p-values, power and seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.measures import seeds_model, tables
from tasks.measures.comparison import SAME
from tasks.measures.tables import Found, Table


def table(found: Found, decoding: str = "greedy") -> Table:
    """Every pair's p-values and effect size, the smallest difference it could show, the prompts for a wanted one."""
    test, rows = found["test"], []
    for row in pairs(found, decoding):
        cells = [str(found["prompts"]), _p(row["p"]), _p(row["p_holm"]), _number(row["effect_size"], "+.2f")]
        cells += [_number(row["smallest_detectable"], ".3f"), _number(row["prompts_needed"], ",d")]
        rows.append([f"{row['left']} − {row['right']}", *cells])
    header = ["pair", "prompts", "p", "p after Holm", "effect size d", "smallest detectable"]
    header += [f"prompts for {test['wanted_difference']:g}"]
    note = (
        f"Smallest detectable: the true difference that {found['prompts']} prompts find in {_times(test)} of 100 "
        f"cases; prompts for {test['wanted_difference']:g}: how many it takes to find that one as often. Both at the "
        f"level of Holm's first step over {_pairs(found)}, from the spread over prompts seen here. A gap of "
        f"{100 * test['wanted_win_gap']:g} points between two win rates (one verdict a prompt) takes at most "
        f"{test['win_gap_prompts']:,d} prompts; ties take their share off that."
    )
    return Table(
        f"What these prompts can show, {tables.label(found['headline'])}, {decoding}", header, rows, note
    )


def general(found: Found, decoding: str = "greedy") -> Table:
    """Every pair's difference with seeds as a random effect; asked for where there are seeds enough."""
    rows = []
    for row in found["in_general"][decoding]:
        freedom = _number(row["degrees_of_freedom"], ".1f")
        cells = [tables.interval(row, "difference", "+"), f"{row['standard_error']:.4f}", freedom]
        cells += [f"{row['sd_seeds']:.3f}", f"{row['sd_prompts']:.3f}", _p(row["p_holm"]), row["verdict"]]
        rows.append([f"{row['left']} − {row['right']}", *cells])
    header = ["pair", "difference", "standard error", "degrees of freedom"]
    header += ["sd of seeds", "sd of prompts", "p after Holm", "verdict"]
    return Table(f"In general: other seeds, other prompts, this sft; {decoding}", header, rows, claim(found))


def claim(found: Found) -> str:
    """Which claim about methods, beyond the trainings at hand, can be made, and why not more."""
    seeds, needed = len(found["seeds"]), seeds_model.SEEDS_NEEDED
    if seeds < needed:
        plural = "s" if seeds > 1 else ""
        return (
            f"No claim is made about a method in general: {seeds} seed{plural} cannot tell how far other seeds would "
            f"lie from these, and it takes at least {needed}. The verdicts are about the trainings at hand: one method "
            "run twice under other seeds may be called different, too."
        )
    return (
        f"With {seeds} seeds as a random effect (two-way model of seeds and prompts, t with Satterthwaite's degrees of "
        f"freedom): these verdicts hold for other seeds of the same trainings and other prompts like these, and for no "
        "other sft and no other settings."
    )


def sentences(found: Found) -> list[str]:
    """One sentence a pair about methods in general, greedy; one alone where there are too few seeds."""
    rows = found["in_general"]["greedy"]
    return [_sentence(found, row) for row in rows] if rows else [claim(found)]


def reason(found: Found, row: Mapping[str, Any]) -> str:
    """What a pair's verdict rests on beyond its interval, in brackets; nothing to say of pairs that never differ."""
    test, after = found["test"], f"p {_p(row['p_holm'])} after Holm over {_pairs(found)}"
    if row["verdict"] != SAME:
        return f" ({after})"
    if not row["low"] <= 0.0 <= row["high"]:
        return f" ({after}: the interval alone, which is not corrected, would have told them apart)"
    if row["smallest_detectable"] is None:
        return ""
    return f" (a true difference of {row['smallest_detectable']:.3f} is found in {_times(test)} of 100 cases)"


def method(found: Found) -> list[str]:
    """How pairs are decided, one paragraph each."""
    test, level = found["test"], 100 * (1 - found["bootstrap"]["confidence"])
    return [
        f"Verdicts on the headline: the left of a pair is called higher or lower only where its sign-flip p-value "
        f"({test['patterns']:,d} patterns over the prompts), corrected by Holm over {_pairs(found)}, is below "
        f"{level:g} % and its own interval is clear of 0. If no pair differed, any of a decoding's would be called "
        f"different in about {level:g} of 100 comparisons at most; greedy and sampled are corrected each for itself. "
        f"Every other answer is '{SAME}', which does not mean equal: the table of what these prompts can show says "
        "how large a difference may have been missed.",
        "Intervals are uncorrected, each pair's own, and so are the marks on all other measures: where nothing "
        f"differs, about {level:g} in 100 of those come up by chance.",
    ]


def pairs(found: Found, decoding: str) -> list[Mapping[str, Any]]:
    """A decoding's rows on the headline."""
    return [row for row in found["differences"][decoding] if row["measure"] == found["headline"]]


def _sentence(found: Found, row: Mapping[str, Any]) -> str:
    said = f"{tables.interval(row, 'difference', '+')}, p {_p(row['p_holm'])} after Holm"
    measure = tables.label(found["headline"])
    if row["verdict"] == SAME:
        return f"In general, {row['left']} and {row['right']}: {SAME} on {measure}, {said}."
    return f"In general, {row['left']} is {row['verdict']} than {row['right']} on {measure}, {said}."


def _pairs(found: Found) -> str:
    count = found["test"]["pairs"]
    return f"{count} pairs" if count > 1 else "1 pair"


def _times(test: Mapping[str, Any]) -> str:
    return f"{100 * test['power']:g}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
