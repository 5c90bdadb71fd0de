"""What a reader must be warned of: over-optimisation, degenerate texts, a KL that cannot be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from tasks.measures.comparison import HIGHER, Bootstrap, Models
from tasks.measures.evaluations import SFT, Evaluation
from tasks.measures.intervals import difference
from tasks.measures.language import both, phrase, say
from tasks.measures.tables import DECODED

SUSPECT = {  # more of these than SFT has
    "no_eos": phrase("summaries that never end themselves"),
    "repetition": phrase("repetition"),
    "invented_numbers": phrase("invented numbers"),
}
SHRUNK = 0.5  # of SFT's characters
Alarm = dict[str, str]  # kind, branch, text, text_ko


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
        *shrunk(values["greedy"], bootstrap),
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
        gained = {
            row: np.stack([_to_sft(models, branch, each, row) for each in ("reward", measure)])
            for row in rows
        }
        caught = {}
        for row, pair_2P in gained.items():
            if pair_2P[0].mean() > 0 > pair_2P[1].mean():  # else no interval can be clear on both
                reward, gold = bootstrap(pair_2P)
                if reward.low > 0 > gold.high:
                    caught[row] = (reward.mean, gold.mean)
        if caught:
            singly = [seeds[row] for row in caught if row is not None]
            text = partial(_over_optimised, branch, decoding, singly, measure, next(iter(caught.values())))
            found.append({"kind": "over-optimisation", "branch": branch, **both(text)})
    return found


def below_zero(sampled: Models, bootstrap: Bootstrap) -> list[Alarm]:
    """Branches whose KL estimate lies clearly below 0, which a KL cannot."""
    names = [name for name in sampled if name != SFT]
    found = bootstrap(np.stack([sampled[name]["kl_k1"].mean(axis=0) for name in names]))
    text = phrase("The KL of {branch} is below 0: its texts were not drawn from the model that scored them.")
    return [
        {"kind": "kl", "branch": name, **both(partial(say, text, branch=name))}
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
        {"kind": measure, "branch": branch, **both(partial(_suspect, branch, measure, decodings))}
        for (measure, branch), decodings in caught.items()
    ]


def shrunk(greedy: Models, bootstrap: Bootstrap) -> list[Alarm]:
    """Branches whose greedy texts have clearly less than half of SFT's characters."""
    names = [name for name in greedy if name != SFT]
    half_P = SHRUNK * greedy[SFT]["characters"].mean(axis=0)
    found = bootstrap(np.stack([greedy[name]["characters"].mean(axis=0) - half_P for name in names]))
    text = phrase("{branch} writes less than half of what {sft} writes: {characters:.0f} characters.")
    means = {name: float(greedy[name]["characters"].mean()) for name in names}
    return [
        {
            "kind": "length",
            "branch": name,
            **both(partial(say, text, branch=name, sft=SFT, characters=means[name])),
        }
        for name, less in zip(names, found, strict=True)
        if less.high < 0
    ]


def partial_gold(evaluations: Sequence[Evaluation]) -> list[Alarm]:
    """A warning where some rows have gold and some have not; the headline is then rougeL."""
    gold = [found.column("gold") for found in evaluations if "gold" in found.table.column_names]
    total = sum(found.table.num_rows for found in evaluations)
    present = sum(int(np.isfinite(values).sum()) for values in gold)
    if present in (0, total):
        return []
    text = phrase(
        "Gold is there for {present} of {total} rows only; it is left out and the headline is ROUGE-L."
    )
    return [{"kind": "gold", "branch": SFT, **both(partial(say, text, present=present, total=total))}]


def _over_optimised(
    branch: str, decoding: str, singly: Sequence[int], measure: str, gained: tuple[float, float]
) -> str:
    return say(
        "{branch} is over-optimised ({decoding}, seeds: {seeds}): reward {reward} against {sft}, {measure} {gold}. "
        "It learned to please the reward model.",
        branch=branch,
        decoding=say(DECODED[decoding]),
        seeds=", ".join(map(str, singly)) or say("none alone"),
        reward=f"{gained[0]:+.3f}",
        sft=SFT,
        measure=measure,
        gold=f"{gained[1]:+.3f}",
    )


def _suspect(branch: str, measure: str, decodings: Sequence[str]) -> str:
    return say(
        "{branch} has more {what} than {sft} ({decodings}).",
        branch=branch,
        what=say(SUSPECT[measure]),
        sft=SFT,
        decodings=", ".join(say(DECODED[each]) for each in decodings),
    )


def _to_sft(models: Models, branch: str, measure: str, row: int | None) -> np.ndarray:
    values_SP = models[branch][measure]
    return difference(values_SP if row is None else values_SP[row : row + 1], models[SFT][measure])
