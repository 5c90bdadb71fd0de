"""What the verdicts on the headline stand on, for readers: tables and sentences about p-values, power and seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.measures import seeds_model, tables
from tasks.measures.comparison import SAME
from tasks.measures.language import phrase, say
from tasks.measures.tables import DECODED, Found, Table

IN_GENERAL = {
    "higher": phrase("In general, {left} is higher than {right} on {measure}, {said}."),
    "lower": phrase("In general, {left} is lower than {right} on {measure}, {said}."),
    SAME: phrase("In general, {left} and {right}: cannot tell apart on {measure}, {said}."),
}


def table(found: Found, decoding: str = "greedy") -> Table:
    """Every pair's p-values and effect size, the smallest difference it could show, the prompts for a wanted one."""
    test, rows = found["test"], []
    for row in pairs(found, decoding):
        cells = [str(found["prompts"]), _p(row["p"]), _p(row["p_holm"]), _number(row["effect_size"], "+.2f")]
        cells += [_number(row["smallest_detectable"], ".3f"), _number(row["prompts_needed"], ",d")]
        rows.append([f"{row['left']} − {row['right']}", *cells])
    wanted = f"{test['wanted_difference']:g}"
    header = [say("pair"), say("prompts"), "p", say("p after Holm"), say("effect size d")]
    header += [say("smallest detectable"), say("prompts for {wanted}", wanted=wanted)]
    note = say(
        "Smallest detectable: the true difference that {prompts} prompts find in {times} of 100 cases; prompts for "
        "{wanted}: how many it takes to find that one as often. Both at the level of Holm's first step over {pairs}, "
        "from the spread over prompts seen here. A gap of {gap} points between two win rates (one verdict a prompt) "
        "takes at most {gap_prompts} prompts; ties take their share off that.",
        prompts=found["prompts"],
        times=_times(test),
        wanted=wanted,
        pairs=_pairs(found),
        gap=f"{100 * test['wanted_win_gap']:g}",
        gap_prompts=f"{test['win_gap_prompts']:,d}",
    )
    measure, said = tables.label(found["headline"]), say(DECODED[decoding])
    title = say("What these prompts can show, {measure}, {decoding}", measure=measure, decoding=said)
    return Table(title, header, rows, note)


def general(found: Found, decoding: str = "greedy") -> Table:
    """Every pair's difference with seeds as a random effect; asked for where there are seeds enough."""
    rows = []
    for row in found["in_general"][decoding]:
        freedom = _number(row["degrees_of_freedom"], ".1f")
        cells = [tables.interval(row, "difference", "+"), f"{row['standard_error']:.4f}", freedom]
        cells += [f"{row['sd_seeds']:.3f}", f"{row['sd_prompts']:.3f}", _p(row["p_holm"])]
        rows.append([f"{row['left']} − {row['right']}", *cells, tables.verdict(row["verdict"])])
    header = [say("pair"), say("difference"), say("standard error"), say("degrees of freedom")]
    header += [say("sd of seeds"), say("sd of prompts"), say("p after Holm"), say("verdict")]
    said = say(DECODED[decoding])
    title = say("In general: other seeds, other prompts, this sft; {decoding}", decoding=said)
    return Table(title, header, rows, claim(found))


def claim(found: Found) -> str:
    """Which claim about methods, beyond the trainings at hand, can be made, and why not more."""
    seeds, needed = len(found["seeds"]), seeds_model.SEEDS_NEEDED
    if seeds >= needed:
        return say(
            "With {seeds} seeds as a random effect (two-way model of seeds and prompts, t with Satterthwaite's degrees "
            "of freedom): these verdicts hold for other seeds of the same trainings and other prompts like these, and "
            "for no other sft and no other settings.",
            seeds=seeds,
        )
    if seeds > 1:
        return say(
            "No claim is made about a method in general: {seeds} seeds cannot tell how far other seeds would "
            "lie from these, and it takes at least {needed}. The verdicts are about the trainings at hand: one method "
            "run twice under other seeds may be called different, too.",
            seeds=seeds,
            needed=needed,
        )
    return say(
        "No claim is made about a method in general: 1 seed cannot tell how far other seeds would "
        "lie from these, and it takes at least {needed}. The verdicts are about the trainings at hand: one method "
        "run twice under other seeds may be called different, too.",
        needed=needed,
    )


def sentences(found: Found) -> list[str]:
    """One sentence a pair about methods in general, greedy; one alone where there are too few seeds."""
    rows = found["in_general"]["greedy"]
    return [_sentence(found, row) for row in rows] if rows else [claim(found)]


def reason(found: Found, row: Mapping[str, Any]) -> str:
    """What a pair's verdict rests on beyond its interval, in brackets; nothing to say of pairs that never differ."""
    test = found["test"]
    after = say("p {p} after Holm over {pairs}", p=_p(row["p_holm"]), pairs=_pairs(found))
    if row["verdict"] != SAME:
        return f" ({after})"
    if not row["low"] <= 0.0 <= row["high"]:
        but = say("the interval alone, which is not corrected, would have told them apart")
        return f" ({after}: {but})"
    if row["smallest_detectable"] is None:
        return ""
    said = say(
        "a true difference of {smallest} is found in {times} of 100 cases",
        smallest=f"{row['smallest_detectable']:.3f}",
        times=_times(test),
    )
    return f" ({said})"


def method(found: Found) -> list[str]:
    """How pairs are decided, one paragraph each."""
    test, level = found["test"], f"{100 * (1 - found['bootstrap']['confidence']):g}"
    return [
        say(
            "Verdicts on the headline: the left of a pair is called higher or lower only where its sign-flip p-value "
            "({patterns} patterns over the prompts), corrected by Holm over {pairs}, is below {level} % and its own "
            "interval is clear of 0. If no pair differed, any of a decoding's would be called different in about "
            "{level} of 100 comparisons at most; greedy and sampled are corrected each for itself. Every other answer "
            "is '{same}', which does not mean equal: the table of what these prompts can show says how large a "
            "difference may have been missed.",
            patterns=f"{test['patterns']:,d}",
            pairs=_pairs(found),
            level=level,
            same=tables.verdict(SAME),
        ),
        say(
            "Intervals are uncorrected, each pair's own, and so are the marks on all other measures: where nothing "
            "differs, about {level} in 100 of those come up by chance.",
            level=level,
        ),
    ]


def pairs(found: Found, decoding: str) -> list[Mapping[str, Any]]:
    """A decoding's rows on the headline."""
    return [row for row in found["differences"][decoding] if row["measure"] == found["headline"]]


def _sentence(found: Found, row: Mapping[str, Any]) -> str:
    after = say("p {p} after Holm", p=_p(row["p_holm"]))
    return say(
        IN_GENERAL[row["verdict"]],
        left=row["left"],
        right=row["right"],
        measure=tables.label(found["headline"]),
        said=f"{tables.interval(row, 'difference', '+')}, {after}",
    )


def _pairs(found: Found) -> str:
    count = found["test"]["pairs"]
    return say("{count} pairs", count=count) if count > 1 else say("1 pair")


def _times(test: Mapping[str, Any]) -> str:
    return f"{100 * test['power']:g}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
