"""The numbers of a comparison, from the evaluations of SFT and of every branch and seed.

Legend of shapes: S seeds, P prompts, K rows resampled together.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tasks.measures import best_of, intervals
from tasks.measures.evaluations import DECODINGS, NUMBERS, OPTIONAL, SAMPLED_ONLY, SFT, Evaluation

HIGHER, LOWER, SAME = "higher", "lower", "cannot tell apart"
Measures = Mapping[str, np.ndarray]  # measure -> values_SP, samples of a prompt averaged
Models = Mapping[str, Measures]  # SFT and every branch, in the order of params.yaml


class Bootstrap(NamedTuple):
    """How intervals are drawn: level in (0.5, 1), resamples over prompts, seed."""

    confidence: float
    resamples: int
    seed: int

    def __call__(self, rows_KP: np.ndarray) -> list[intervals.Interval]:
        return intervals.intervals(rows_KP, self.confidence, self.resamples, self.seed)


def gathered(
    evaluations: Sequence[Evaluation], branches: Sequence[str], seeds: Sequence[int]
) -> dict[str, Models]:
    """Every measure that all models have, by decoding, model without its seed, and measure."""
    by_model = {evaluation.model: evaluation for evaluation in evaluations}
    rows = {SFT: [by_model[SFT]]} | {
        name: [by_model[f"{name}-{seed}"] for seed in seeds] for name in branches
    }
    gold = [
        name
        for name in evaluations[0].table.column_names
        if name == "gold" or name.startswith("gold_") or name in OPTIONAL
    ]
    gold = [name for name in gold if all(evaluation.has(name) for evaluation in evaluations)]
    return {
        decoding: {
            name: {
                measure: np.stack([evaluation.by_prompt(measure, decoding) for evaluation in found])
                for measure in (*gold, *NUMBERS)
                if decoding == "sampled" or measure not in SAMPLED_ONLY
            }
            for name, found in rows.items()
        }
        for decoding in DECODINGS
    }


def headline(values: Mapping[str, Models]) -> str:
    """The measure that verdicts are about: gold where every row of every model has it, else rougeL."""
    return "gold" if "gold" in values["greedy"][SFT] else "rougeL"


def scores(models: Models, bootstrap: Bootstrap) -> dict[str, dict[str, dict[str, float]]]:
    """Mean over seeds and prompts, with its own interval, by model and measure."""
    keys = [(name, measure) for name, measures in models.items() for measure in measures]
    found_K = bootstrap(np.stack([intervals.over_seeds(models[name][measure]) for name, measure in keys]))
    found: dict[str, dict[str, dict[str, float]]] = {name: {} for name in models}
    for (name, measure), interval in zip(keys, found_K, strict=True):
        found[name][measure] = interval._asdict()
    return found


def differences(models: Models, measure: str, bootstrap: Bootstrap) -> list[dict[str, Any]]:
    """Paired differences: each branch minus SFT on all measures, each minus every later one on `measure`."""
    branches = [name for name in models if name != SFT]
    keys = [(name, SFT, each) for name in branches for each in models[name]]
    keys += [(left, right, measure) for left, right in itertools.combinations(branches, 2)]
    pairs = [(models[left][each], models[right][each]) for left, right, each in keys]
    found_K = bootstrap(np.stack([intervals.difference(*pair) for pair in pairs]))
    return [
        {
            "left": left,
            "right": right,
            "measure": each,
            "difference": found.mean,
            "low": found.low,
            "high": found.high,
            "verdict": verdict(found),
            "seeds_agreeing": intervals.agreeing(*pair),
        }
        for (left, right, each), pair, found in zip(keys, pairs, found_K, strict=True)
    ]


def verdict(found: intervals.Interval) -> str:
    """What one interval says of left against right; of the headline's pairs decisions.py has the last word."""
    if found.holds_zero:
        return SAME
    return HIGHER if found.mean > 0 else LOWER


def spreads(models: Models, measures: Sequence[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """The means of single seeds with least, largest and sd, by branch and measure."""
    return {
        name: {each: intervals.spread(found[each])._asdict() for each in measures if each in found}
        for name, found in models.items()
        if name != SFT
    }


def frontier(sampled: Models, measure: str, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """One point a branch and seed, sampled texts: KL in nats a sequence, `measure`, reward; SFT at KL 0."""
    points = []
    for name, found in sampled.items():
        for row, seed in enumerate([None] if name == SFT else seeds):
            kl = 0.0 if name == SFT else float(found["kl_k1"][row].mean())
            means = {each: float(found[each][row].mean()) for each in (measure, "reward")}
            points.append({"branch": name, "seed": seed, "kl": kl, **means})
    return points


def upper_line(
    ranked: Mapping[str, np.ndarray], measures: Sequence[str], bootstrap: Bootstrap
) -> list[dict[str, Any]]:
    """SFT's best of n by n: a bound of its KL in nats a sequence, and each measure's mean with its interval."""
    if not ranked:
        return []
    ranking_PN = ranked["ranking"]
    sizes = best_of.sizes(ranking_PN.shape[1])
    rows_KP = [best_of.expected(ranking_PN, ranked[each], n) for n in sizes for each in measures]
    found = iter(bootstrap(np.stack(rows_KP)))
    return [
        {"n": n, "kl_bound": best_of.kl_bound(n), **{each: next(found)._asdict() for each in measures}}
        for n in sizes
    ]


def rounded(given: Any) -> Any:
    """The same with every float rounded to 6 digits and no negative zero."""
    if isinstance(given, Mapping):
        return {name: rounded(value) for name, value in given.items()}
    if isinstance(given, list | tuple):
        return [rounded(value) for value in given]
    return round(float(given), 6) + 0.0 if isinstance(given, float) else given
