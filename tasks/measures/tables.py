"""The tables of a comparison: made once, shown by the page, the Markdown and the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import rich.table
import rich.text

from tasks.measures.comparison import HIGHER, LOWER, SAME
from tasks.measures.evaluations import SFT

Found = Mapping[str, Any]  # a comparison, as in reports/comparison.json


class Table(NamedTuple):
    """A title, a header, rows of text (the first cell names the row) and a note that explains them."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    words: bool = False  # cells are no numbers: they stand on the left and may wrap


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"


def _decimals(count: int) -> Callable[[float], str]:
    return lambda value: f"{value:.{count}f}"


COLUMNS: dict[
    str, tuple[str, Callable[[float], str]]
] = {  # label, format; what else there is stands in the JSON
    "gold": ("gold", _decimals(3)),
    "reward": ("reward", _decimals(3)),
    "reward_climbed": ("climbed reward", _decimals(3)),
    "kl_k1": ("KL, nats", _decimals(2)),
    "rouge1": ("ROUGE-1", _decimals(3)),
    "rouge2": ("ROUGE-2", _decimals(3)),
    "rougeL": ("ROUGE-L", _decimals(3)),
    "characters": ("characters", _decimals(1)),
    "no_eos": ("without EOS", _share),
    "repetition": ("repetition", _share),
    "invented_numbers": ("invented numbers", _decimals(3)),
}

BASELINES = {
    "reference": "the reference itself",
    "lead1": "lead-1",
    "title": "the title",
    "random": "another document's reference (floor)",
}


def label(measure: str) -> str:
    """The name of a measure for readers."""
    return COLUMNS[measure][0] if measure in COLUMNS else measure.replace("_", " ")


def interval(found: Mapping[str, float], mean: str = "mean", sign: str = "") -> str:
    """`0.412 [0.398, 0.425]`; sign "+" for differences."""
    return f"{found[mean]:{sign}.3f} [{found['low']:{sign}.3f}, {found['high']:{sign}.3f}]"


def difference(found: Found, decoding: str, left: str, right: str, measure: str) -> Mapping[str, Any]:
    """The paired difference left minus right."""
    key = (left, right, measure)
    return next(r for r in found["differences"][decoding] if (r["left"], r["right"], r["measure"]) == key)


def names(found: Found) -> list[str]:
    """The branches, in the order of params.yaml."""
    return [branch["name"] for branch in found["branches"]]


def pairs(found: Found) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Every pair on the headline, greedy and sampled, branches against SFT first."""
    measure = found["headline"]
    both = [found["differences"][decoding] for decoding in ("greedy", "sampled")]
    greedy, sampled = ([row for row in rows if row["measure"] == measure] for rows in both)
    return list(zip(greedy, sampled, strict=True))


def scores(found: Found, decoding: str) -> Table:
    """Every model's means; the headline with its interval and the paired difference to SFT with its own."""
    measure, rows = found["headline"], []
    here = found["scores"][decoding][SFT].keys() - {measure, "rouge1", "rouge2"}  # these two: see baselines
    shown = [each for each in COLUMNS if each in here]
    for name, means in found["scores"][decoding].items():
        row = None if name == SFT else difference(found, decoding, name, SFT, measure)
        to_sft = interval(row, "difference", "+") if row else ""
        cells = [COLUMNS[each][1](means[each]["mean"]) + _mark(found, decoding, name, each) for each in shown]
        rows.append([name, interval(means[measure]), to_sft, *cells])
    header = ["model", label(measure), "against sft", *(label(each) for each in shown)]
    note = (
        f"Means over {len(found['seeds'])} seeds and {found['prompts']} prompts. "
        f"▲ or ▼: the {_percent(found)} interval of the paired difference to sft lies above or below 0, uncorrected; "
        f"for {label(measure)} see the verdicts."
    )
    return Table(f"Scores, {decoding}", header, rows, note)


def verdicts(found: Found) -> Table:
    """Every pair on the headline with both decodings."""
    rows = []
    for greedy, sampled in pairs(found):
        cells = [interval(greedy, "difference", "+"), greedy["verdict"]]
        cells += [interval(sampled, "difference", "+"), sampled["verdict"]]
        rows.append([f"{greedy['left']} − {greedy['right']}", *cells, _agreeing(found, greedy)])
    header = ["pair", "greedy", "verdict", "sampled", "verdict", "seeds that agree (greedy)"]
    return Table(f"Paired differences, {label(found['headline'])}", header, rows)


def seeds(found: Found, decoding: str = "greedy") -> Table:
    """The headline of each single seed."""
    rows = []
    for name, spreads in found["seed_spread"][decoding].items():
        spread = spreads[found["headline"]]
        cells = [f"{value:.3f}" for value in (*spread["by_seed"], spread["minimum"], spread["maximum"])]
        rows.append([name, *cells, "-" if spread["sd"] is None else f"{spread['sd']:.3f}"])
    header = ["branch", *(f"seed {seed}" for seed in found["seeds"]), "least", "largest", "sd"]
    return Table(f"Spread over seeds, {label(found['headline'])}, {decoding}", header, rows)


def baselines(found: Found) -> Table:
    """ROUGE, and gold where there is one, of what needs no model, beside SFT and the branches."""
    given = found["baselines"]
    words = BASELINES | {name: name for name in sorted(given.keys() - BASELINES.keys())}
    kinds = [*(["gold"] if found["headline"] == "gold" else []), "rouge1", "rouge2", "rougeL"]
    texts = {words[name]: given[name] for name in words if given.get(name)}
    for name, measures in found["scores"]["greedy"].items():
        texts[name] = {kind: measures[kind]["mean"] for kind in kinds}
    rows = [
        [name, *(f"{means[kind]:.3f}" if kind in means else "-" for kind in kinds)]
        for name, means in texts.items()
    ]
    note = "Particles and endings alone reach the floor; read every ROUGE as its distance from it."
    return Table("Against what needs no model, greedy", ["text", *map(label, kinds)], rows, note)


def best_of(found: Found) -> Table:
    """The headline and the reward of SFT's best of n, with intervals, by n."""
    measures = (found["headline"], "reward")
    rows = [
        [str(point["n"]), f"{point['kl_bound']:.2f}", *(interval(point[each]) for each in measures)]
        for point in found["best_of"]
    ]
    header = ["n", "KL at most, nats", *map(label, measures)]
    note = (
        "Of n sampled summaries of sft the one that fold A's reward model likes best: means over all choices of n "
        f"of the {found['best_of'][-1]['n']} that were drawn. No training, and n times the cost of every summary. "
        "The KL is a bound, log n - (n - 1) / n: the true one may be lower."
    )
    title = "Best-of-N of SFT: what the reward model alone can buy at decoding time"
    return Table(title, header, rows, note)


def displacement(found: Found) -> Table:
    """How far the chosen summaries' own log-probability moved in training, by branch and seed."""
    rows = [
        [
            f"{branch}-{row['seed']}",
            f"{row['chosen_logp_change_nats']:+.2f}",
            "yes" if row.get("likelihood_displacement") else "no",
            f"{row['train_margin']:.3f}" if "train_margin" in row else "-",
        ]
        for branch, told in found["displacement"].items()
        for row in told
    ]
    header = ["model", "change of log p(chosen), nats", "displaced", "margin in training"]
    note = "Displaced: training widened the margin while the chosen summaries themselves became less likely."
    return Table("Likelihood displacement", header, rows, note)


def costs(found: Found, given: Mapping[str, Sequence[Mapping[str, Any]]]) -> Table:
    """Mean cost of one training by branch, as this machine measured it; `-` where nothing was recorded."""
    columns = {"seconds": (1, 0), "tokens": (1, 0), "peak_memory_bytes": (2**20, 0)}
    rows = []
    for name in names(found):
        cells = []
        for column, (unit, decimals) in columns.items():
            values = [row[column] for row in given.get(name, []) if isinstance(row.get(column), int | float)]
            cells.append(f"{sum(values) / len(values) / unit:,.{decimals}f}" if values else "-")
        rows.append([name, *cells])
    note = "Measured when the branch was trained, on whatever machine that was; not part of comparison.json."
    return Table("Cost of one training", ["branch", "seconds", "tokens", "peak memory, MiB"], rows, note)


def printed(found: Found) -> rich.table.Table:
    """For the terminal: the headline greedy and sampled with its differences to SFT, reward, KL, surface."""
    measure, seeds = found["headline"], ", ".join(map(str, found["seeds"]))
    caption = (
        f"{found['prompts']} prompts, seeds {seeds}; {_percent(found)} intervals; "
        "▲ higher than sft, ▼ lower, = cannot tell apart, after Holm; reward and KL of sampled summaries"
    )
    table = rich.table.Table(
        title=f"{label(measure)} of each model, and its difference to sft", caption=caption
    )
    columns = ("rougeL", "characters", "no_eos")
    for header in (
        "model",
        "greedy",
        "difference",
        "sampled",
        "difference",
        "reward",
        "KL",
        *map(label, columns),
    ):
        table.add_column(header, no_wrap=header in ("model", "difference"), overflow="fold")
    for name in (SFT, *names(found)):
        greedy, sampled = (found["scores"][decoding][name] for decoding in ("greedy", "sampled"))
        cells = [name]
        for decoding in ("greedy", "sampled"):
            cells += [
                f"{found['scores'][decoding][name][measure]['mean']:.3f}",
                _gain(found, decoding, name, measure),
            ]
        cells += [COLUMNS[each][1](sampled[each]["mean"]) for each in ("reward", "kl_k1")]
        cells += [COLUMNS[each][1](greedy[each]["mean"]) for each in columns]
        table.add_row(*(rich.text.Text(cell) for cell in cells))  # Text: no cell is read as markup
    return table


def _gain(found: Found, decoding: str, name: str, measure: str) -> str:
    if name == SFT:
        return ""
    row = difference(found, decoding, name, SFT, measure)
    return f"{interval(row, 'difference', '+')}{_mark(found, decoding, name, measure) or ' ='}"


def _mark(found: Found, decoding: str, name: str, measure: str) -> str:
    if name == SFT:
        return ""
    verdict = difference(found, decoding, name, SFT, measure)["verdict"]
    return {HIGHER: " ▲", LOWER: " ▼", SAME: ""}[verdict]


def _agreeing(found: Found, row: Mapping[str, Any]) -> str:
    return "-" if row["seeds_agreeing"] is None else f"{row['seeds_agreeing']} of {len(found['seeds'])}"


def _percent(found: Found) -> str:
    return f"{100 * found['bootstrap']['confidence']:g} %"
