"""What every table of a comparison is made of: a table, the names of measures and verdicts, an interval in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tasks.measures.comparison import HIGHER, LOWER, SAME
from tasks.measures.evaluations import SFT
from tasks.measures.language import phrase, say

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
    "gold": (phrase("gold"), _decimals(3)),
    "reward": (phrase("reward"), _decimals(3)),
    "reward_climbed": (phrase("climbed reward"), _decimals(3)),
    "kl_k1": (phrase("KL, nats"), _decimals(2)),
    "rouge1": (phrase("ROUGE-1"), _decimals(3)),
    "rouge2": (phrase("ROUGE-2"), _decimals(3)),
    "rougeL": (phrase("ROUGE-L"), _decimals(3)),
    "characters": (phrase("characters"), _decimals(1)),
    "no_eos": (phrase("without EOS"), _share),
    "repetition": (phrase("repetition"), _share),
    "invented_numbers": (phrase("invented numbers"), _decimals(3)),
}
BASELINES = {
    "reference": phrase("the reference itself"),
    "lead1": phrase("lead-1"),
    "title": phrase("the title"),
    "random": phrase("another document's reference (floor)"),
}
VERDICTS = {
    HIGHER: phrase("higher"),
    LOWER: phrase("lower"),
    SAME: phrase("cannot tell apart"),
}
MARKS = {HIGHER: " ▲", LOWER: " ▼", SAME: ""}
DECODED = {"greedy": phrase("greedy"), "sampled": phrase("sampled")}


def label(measure: str) -> str:
    """The name of a measure for readers."""
    return say(COLUMNS[measure][0]) if measure in COLUMNS else measure.replace("_", " ")


def shown(measure: str, value: float) -> str:
    """A mean of this measure with its decimals."""
    return COLUMNS[measure][1](value)


def verdict(word: str) -> str:
    """A verdict of comparison.json in words."""
    return say(VERDICTS[word])


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


def mark(found: Found, decoding: str, name: str, measure: str) -> str:
    """` ▲` or ` ▼` where the difference to SFT is told apart, else nothing."""
    return "" if name == SFT else MARKS[difference(found, decoding, name, SFT, measure)["verdict"]]


def percent(found: Found) -> str:
    """The level of the intervals."""
    return f"{100 * found['bootstrap']['confidence']:g} %"
