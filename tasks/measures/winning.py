"""The win rates for readers: a matrix for each judge, every pair in full, and how far each judge may be believed."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.measures.duels import label
from tasks.measures.evaluations import SFT
from tasks.measures.language import phrase, say
from tasks.measures.tables import Found, Table, names

Row = Mapping[str, Any]
COLUMNS = ("agreement", "kappa", "longer", "above_longer")
STRONGEST = 70  # per cent of colour at a win rate of 0 or 1
NOTE = phrase(
    "Share of prompts on which the row's greedy summary beats the column's, a tie being half a win. ▲ or ▼: the "
    "interval lies above or below one half. Below it, in brackets: the same with the effect of length taken out."
)
PAIRS = phrase(
    "Intervals are each pair's own, uncorrected, and decide nothing: the verdicts are on the headline. "
    "Wins, ties and losses count every prompt and seed (seed s meets seed s). At one length: AlpacaEval's "
    "length-controlled win rate, fitted to these very verdicts. Flips: how often the judge's two orders differ, "
    "which is then a tie; '-' for who reads one summary at a time and knows no order. A judge who may stop early "
    "has intervals that hold at all looks together, and no rate at one length."
)
JUDGES = phrase(
    "Agreement: of the pairs on which both name a winner, on how many it is the same. Longer: the same of whoever "
    "prefers the longer summary. Gain: credit of the judge less credit of the longer. The exact judge knows the facts "
    "and is exempt."
)


def matrices(found: Found) -> str:
    """The page's matrices, one a judge; every name escaped."""
    shown = [_matrix(found, judge["name"]) for judge in found["judges"]]
    return "".join(shown) + f"<p class=note>{_e(say(NOTE))}</p>"


def tables(found: Found) -> list[Table]:
    """Every pair by every judge, and the judges."""
    header = [say("pair"), say("judge"), say("win rate"), say("wins, ties, losses")]
    header += [say("at one length"), say("abstained"), say("flips")]
    rows = [
        [
            f"{row['left']} − {row['right']}",
            label(row["judge"]),
            _interval(row, "win_rate", "low", "high"),
            f"{row['wins']}, {row['ties']}, {row['losses']}",
            _interval(row, "length_controlled", "lc_low", "lc_high"),
            str(row["abstained"]),
            "-" if row["flip_rate"] is None else f"{100 * row['flip_rate']:.1f} %",
        ]
        for row in found["win_rates"]
    ]
    return [Table(say("Win rates, greedy"), header, rows, say(PAIRS)), _judges(found["judges"])]


def _judges(judges: Sequence[Row]) -> Table:
    header = [say("judge"), say("held against"), say("pairs"), say("agreement"), say("kappa"), say("longer")]
    header += [say("gain over longer")]
    rows = []
    for judge in judges:
        exact = [{"set": label("exact"), **judge["against_exact"]}] if judge["against_exact"] else []
        for measured in [*judge["agreement"], *exact]:
            shares = [_interval(measured[key], "mean", "low", "high") for key in COLUMNS]
            rows.append([label(judge["name"]), measured["set"], str(measured["pairs"]), *shares])
        if not judge["agreement"] and not exact:
            rows.append(
                [label(judge["name"]), say("exempt") if judge["exempt"] else say("nobody"), *["-"] * 5]
            )
    note = " ".join([say(JUDGES), *_endpoints(judges)])
    return Table(say("Judges, and how far to believe them"), header, rows, note)


def _endpoints(judges: Sequence[Row]) -> list[str]:
    """Who the judges behind an endpoint are, and on how much they were asked."""
    return [
        say(
            "{name} is {model} with the rubric {rubric}, on {prompts} prompts; {saved} duels were saved by stopping "
            "early.",
            **{each: judge[each] for each in ("name", "model", "rubric", "prompts", "saved")},
        )
        for judge in judges
        if "model" in judge
    ]


def _matrix(found: Found, judge: str) -> str:
    order = [*names(found), SFT]
    rates = {(row["left"], row["right"]): row for row in found["win_rates"] if row["judge"] == judge}
    head = "".join(f"<th>{_e(name)}</th>" for name in order)
    body = "".join(
        f"<tr><th>{_e(left)}</th>{''.join(_cell(rates, left, right) for right in order)}</tr>"
        for left in order
    )
    return (
        f"<h3>{_e(say('Win rates, {judge}', judge=label(judge)))}</h3><div class=wide><table>"
        f"<thead><tr><th>{_e(say('row beats column'))}</th>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(rates: Mapping[tuple[str, str], Row], left: str, right: str) -> str:
    row, turned = rates.get((left, right)), rates.get((right, left))
    keys = ("win_rate", "low", "high", "length_controlled")
    if row:
        rate, low, high, level = (row[key] for key in keys)
    elif turned:  # what the left won is what the right lost
        rate, high, low, level = (None if turned[key] is None else 1 - turned[key] for key in keys)
    else:
        return "<td>–</td>"
    if rate is None or low is None or high is None:
        return "<td>-</td>"
    mark = " ▲" if low > 0.5 else " ▼" if high < 0.5 else ""
    colour, strength = "up" if rate > 0.5 else "down", round(2 * abs(rate - 0.5) * STRONGEST)
    style = f"background:color-mix(in srgb, var(--{colour}) {strength}%, transparent)"
    bare = "-" if level is None else f"{level:.3f}"
    return f'<td style="{style}">{rate:.3f}{mark}<br><small>({bare})</small></td>'


def _interval(found: Row | None, mean: str, low: str, high: str) -> str:
    if found is None or found[mean] is None:
        return "-"
    return f"{found[mean]:.3f} [{found[low]:.3f}, {found[high]:.3f}]"


def _e(text: str) -> str:
    return html.escape(text.replace("\x00", "\ufffd"), quote=True)
