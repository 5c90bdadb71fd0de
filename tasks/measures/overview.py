"""The table that a person decides by: one row a model, what it is worth, what it did to get there, what it cost."""

from __future__ import annotations

from collections import Counter

from tasks.measures import expense
from tasks.measures.comparison import HIGHER, LOWER, SAME
from tasks.measures.duels import label as judge_label
from tasks.measures.evaluations import SFT
from tasks.measures.expense import Costs
from tasks.measures.language import phrase, say
from tasks.measures.tables import Found, Table, difference, interval, label, names, percent, shown, verdict

SIGNS = {HIGHER: "▲", LOWER: "▼", SAME: "="}
MEANINGS = {
    "gold": phrase("the judge's score of a summary, 1 at best"),
    "rougeL": phrase("overlap with the reference summary, 1 at best"),
}
KINDS = {
    "lead1": phrase("below lead-1"),
    "random": phrase("at the floor"),
    "over-optimisation": phrase("over-optimisation"),
    "onset": phrase("onset of over-optimisation"),
    "kl": phrase("KL below 0"),
    "no_eos": phrase("summaries without an end"),
    "repetition": phrase("repetition"),
    "invented_numbers": phrase("invented numbers"),
    "gold": phrase("gold missing"),
    "budget": phrase("unlike tuning"),
    "judge": phrase("judges"),
    "circular": phrase("trained by the judge"),
    "noise": phrase("planted noise"),
    "flips": phrase("flips not to be trusted"),
    "rounds": phrase("rounds of iterated training"),
}


def table(found: Found, costs: Costs) -> Table:
    """SFT and every branch: headline, difference and verdict, win rates, KL, length, seconds of one training."""
    measure, judge, rows = found["headline"], next(iter(found["judges"]), None), []
    rates = {row["left"]: row for row in found["win_rates"] if judge and _against(row, judge["name"])}
    for name in (SFT, *names(found)):
        greedy, sampled = (found["scores"][decoding][name] for decoding in ("greedy", "sampled"))
        cells = [interval(greedy[measure]), *_verdict(found, name)]
        cells += [_rate(rates.get(name), each) for each in ("win_rate", "length_controlled")]
        cells += ["" if name == SFT else shown("kl_k1", sampled["kl_k1"]["mean"])]
        cells += [f"{greedy['characters']['mean']:.0f}"]
        seconds = expense.mean(costs, name, "seconds")
        rows.append([name, *cells, "" if name == SFT else "-" if seconds is None else f"{seconds:,.0f}"])
    header = [say("model"), label(measure), say("against sft"), say("verdict")]
    header += [say("wins against sft"), say("at one length")]
    header += [label("kl_k1"), say("characters"), say("seconds of training")]
    return Table("", header, rows, _note(found, judge["name"] if judge else None))


def counted(found: Found) -> str:
    """How many warnings there are, by kind."""
    kinds = Counter(alarm["kind"] for alarm in found["warnings"])
    each = ", ".join(
        f"{say(KINDS[kind]) if kind in KINDS else kind} {count}" for kind, count in kinds.items()
    )
    return say("{count} warnings: {kinds}", count=len(found["warnings"]), kinds=each)


def _verdict(found: Found, name: str) -> list[str]:
    if name == SFT:
        return ["", ""]
    row = difference(found, "greedy", name, SFT, found["headline"])
    return [interval(row, "difference", "+"), f"{SIGNS[row['verdict']]} {verdict(row['verdict'])}"]


def _rate(row: Found | None, which: str) -> str:
    return "" if row is None else "-" if row[which] is None else f"{100 * row[which]:.0f} %"


def _against(row: Found, judge: str) -> bool:
    return (row["right"], row["judge"]) == (SFT, judge)


def _note(found: Found, judge: str | None) -> str:
    said = [
        say(
            "sft: the model before preference tuning. {measure}: {meaning}. In brackets: {percent} intervals. The "
            "verdict is corrected for the number of pairs; '{same}' does not mean equal.",
            measure=label(found["headline"]),
            meaning=say(MEANINGS[found["headline"]]),
            percent=percent(found),
            same=verdict(SAME),
        )
    ]
    if judge:
        said.append(
            say(
                "Wins: on how many prompts its summary beats sft's, a tie being half, judged by: {judge}; at one "
                "length: the same with the effect of length taken out.",
                judge=judge_label(judge),
            )
        )
    said.append(say("KL: how far its summaries have moved away from sft's."))
    return " ".join(said)
