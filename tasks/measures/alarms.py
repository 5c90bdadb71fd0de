"""What a reader must be warned of: over-optimisation, degenerate texts, a KL that cannot be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tasks.measures.comparison import HIGHER, Bootstrap, Models
from tasks.measures.evaluations import SFT, Evaluation
from tasks.measures.intervals import difference

SUSPECT = {  # more of these than SFT has
    "no_eos": "summaries that never end themselves",
    "repetition": "repetition",
    "invented_numbers": "invented numbers",
}
Alarm = dict[str, str]  # kind, branch, text


def alarms(
    values: Mapping[str, Models],
    differences: Mapping[str, Sequence[Mapping[str, Any]]],
    measure: str,
    seeds: Sequence[int],
    bootstrap: Bootstrap,
    evaluations: Sequence[Evaluation],
) -> list[Alarm]:
    """Every warning, the gravest first; values and differences by decoding."""
    found = []
    for decoding, models in values.items():
        found += over_optimised(models, decoding, measure, seeds, bootstrap)
    return [
        *found,
        *below_zero(values["sampled"], bootstrap),
        *suspect(differences),
        *partial_gold(evaluations),
    ]


def over_optimised(
    models: Models, decoding: str, measure: str, seeds: Sequence[int], bootstrap: Bootstrap
) -> list[Alarm]:
    """Branches whose reward is above SFT's while `measure` is below, both intervals clear of 0.

    A branch is named once, also when only some of its seeds are so. Gao et al. 2023 (arXiv 2210.10760):
    a proxy that is pushed too far rises while what it stands for falls.
    """
    rows, found = [None, *range(len(seeds))], []  # None: all seeds together
    for branch in (name for name in models if name != SFT):
        both = {
            row: np.stack([_to_sft(models, branch, each, row) for each in ("reward", measure)])
            for row in rows
        }
        caught = {}
        for row, pair_2P in both.items():
            if pair_2P[0].mean() > 0 > pair_2P[1].mean():  # else no interval can be clear on both
                reward, gold = bootstrap(pair_2P)
                if reward.low > 0 > gold.high:
                    caught[row] = (reward.mean, gold.mean)
        if caught:
            singly = ", ".join(str(seeds[row]) for row in caught if row is not None) or "none alone"
            reward, gold = next(iter(caught.values()))
            text = (
                f"{branch} is over-optimised ({decoding}, seeds: {singly}): reward {reward:+.3f} against "
                f"{SFT}, {measure} {gold:+.3f}. It learned to please the reward model."
            )
            found.append({"kind": "over-optimisation", "branch": branch, "text": text})
    return found


def below_zero(sampled: Models, bootstrap: Bootstrap) -> list[Alarm]:
    """Branches whose KL estimate lies clearly below 0, which a KL cannot."""
    names = [name for name in sampled if name != SFT]
    found = bootstrap(np.stack([sampled[name]["kl_k1"].mean(axis=0) for name in names]))
    text = "The KL of {} is below 0: its texts were not drawn from the model that scored them."
    return [
        {"kind": "kl", "branch": name, "text": text.format(name)}
        for name, kl in zip(names, found, strict=True)
        if kl.high < 0
    ]


def suspect(differences: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Alarm]:
    """Branches with clearly more of what SUSPECT names than SFT."""
    caught: dict[tuple[str, str], list[str]] = {}
    for decoding, rows in differences.items():
        for row in rows:
            if row["right"] == SFT and row["measure"] in SUSPECT and row["verdict"] == HIGHER:
                caught.setdefault((row["measure"], row["left"]), []).append(decoding)
    return [
        {
            "kind": measure,
            "branch": branch,
            "text": f"{branch} has more {SUSPECT[measure]} than {SFT} ({', '.join(decodings)}).",
        }
        for (measure, branch), decodings in caught.items()
    ]


def partial_gold(evaluations: Sequence[Evaluation]) -> list[Alarm]:
    """A warning where some rows have gold and some have not; the headline is then rougeL."""
    gold = [found.column("gold") for found in evaluations if "gold" in found.table.column_names]
    total = sum(found.table.num_rows for found in evaluations)
    present = sum(int(np.isfinite(values).sum()) for values in gold)
    if present in (0, total):
        return []
    text = f"Gold is there for {present} of {total} rows only; it is left out and the headline is ROUGE-L."
    return [{"kind": "gold", "branch": SFT, "text": text}]


def _to_sft(models: Models, branch: str, measure: str, row: int | None) -> np.ndarray:
    values_SP = models[branch][measure]
    return difference(values_SP if row is None else values_SP[row : row + 1], models[SFT][measure])
