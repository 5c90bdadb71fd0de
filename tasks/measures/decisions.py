"""The verdicts on the headline's pairs: which differ after Holm's correction, what could have been found, and which
claims hold for methods in general.

Legend of shapes: S seeds, P prompts, K pairs (each branch against SFT, each against every later one).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tasks.measures import intervals, permutation, power, seeds_model
from tasks.measures.comparison import HIGHER, LOWER, SAME, Bootstrap, Models

Row = Mapping[str, Any]


class Rule(NamedTuple):
    """How pairs are decided: the bootstrap's level, draws and seed, and the difference a reader wants found."""

    bootstrap: Bootstrap
    wanted_difference: float

    @property
    def level(self) -> float:
        """How likely any false verdict among a decoding's pairs may be."""
        return round(1 - self.bootstrap.confidence, intervals.NOISE)  # 1 - 0.95 lies above 0.05


def decided(rows: Sequence[Row], models: Models, measure: str, rule: Rule) -> list[dict[str, Any]]:
    """The rows of a decoding's differences; those of `measure` with p-values, sizes and the verdict after Holm.

    Left is higher or lower only where the corrected p-value is below the level *and* the pair's interval is clear of 0.
    Rows of other measures are as they were: each has an interval of its own, and nothing corrects them.
    """
    pairs = [row for row in rows if row["measure"] == measure]
    differences_KP = np.stack([_differences(row, models) for row in pairs])
    level, seed = rule.level, rule.bootstrap.seed
    flips = permutation.flips(rule.bootstrap.resamples, len(pairs), level)
    p_K = permutation.sign_flip(differences_KP, flips, seed)
    sized = zip(p_K, permutation.holm(p_K), differences_KP, strict=True)
    found = iter([_sized(*each, level / len(pairs), rule.wanted_difference) for each in sized])
    return [
        _judged({**row, **next(found)}, level) if row["measure"] == measure else dict(row) for row in rows
    ]


def told(pairs: int, prompts: int, rule: Rule, wanted_win_gap: float) -> dict[str, Any]:
    """How the pairs of one decoding were decided, and what a judge's verdicts would need."""
    flips = permutation.flips(rule.bootstrap.resamples, pairs, rule.level)
    return {
        "method": "sign-flip permutation over prompts, Holm over the pairs of a decoding",
        "pairs": pairs,
        "patterns": min(flips, 2**prompts) if prompts < 63 else flips,
        "power": power.POWER,
        "wanted_difference": rule.wanted_difference,
        "wanted_win_gap": wanted_win_gap,
        "win_gap_prompts": power.win_gap_prompts(wanted_win_gap, 0.0, rule.level / pairs),
    }


def in_general(
    rows: Sequence[Row], models: Models, measure: str, seeds: int, rule: Rule
) -> list[dict[str, Any]]:
    """Each pair's difference with seeds as a random effect, corrected by Holm; nothing below 8 seeds."""
    if seeds < seeds_model.SEEDS_NEEDED:
        return []
    pairs = [row for row in rows if row["measure"] == measure]
    found = [
        seeds_model.general(
            models[row["left"]][measure], models[row["right"]][measure], rule.bootstrap.confidence
        )
        for row in pairs
    ]
    corrected = permutation.holm([each.p for each in found])
    told = [
        {"left": row["left"], "right": row["right"], **each._asdict(), "p_holm": float(p_holm)}
        for row, each, p_holm in zip(pairs, found, corrected, strict=True)
    ]
    return [_judged(row, rule.level) for row in told]


def _differences(row: Row, models: Models) -> np.ndarray:
    measure = row["measure"]
    return intervals.difference(models[row["left"]][measure], models[row["right"]][measure])


def _sized(p: float, p_holm: float, differences_P: np.ndarray, level: float, wanted: float) -> dict[str, Any]:
    differences_P = np.round(differences_P, intervals.NOISE)
    mean, sd = float(differences_P.mean()), float(differences_P.std(ddof=1))
    sd = sd if np.ptp(differences_P) > 0 else 0.0  # a mean that misses by one bit is no spread
    return {
        "p": float(p),
        "p_holm": float(p_holm),
        "effect_size": power.effect_size(mean, sd),
        "smallest_detectable": power.smallest_detectable(sd, differences_P.size, level),
        "prompts_needed": power.prompts_needed(sd, wanted, level),
    }


def _judged(row: dict[str, Any], level: float) -> dict[str, Any]:
    clear = not row["low"] <= 0.0 <= row["high"]
    if not (clear and row["p_holm"] < level):
        return {**row, "verdict": SAME}
    return {**row, "verdict": HIGHER if row["difference"] > 0 else LOWER}
