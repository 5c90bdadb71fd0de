"""Who judged a comparison's duels, and what each said: all that comparison.json holds of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.measures import duel_records, duels, sequential, trust
from tasks.measures.comparison import Bootstrap, Models
from tasks.measures.contests import Pair, pairs, rate
from tasks.measures.duels import EXACT, Duels, by_prompt, margins
from tasks.measures.evaluations import SFT, Evaluation
from tasks.measures.intervals import Interval
from tasks.refusal import Refusal


def judged(
    greedy: Models,
    evaluations: Sequence[Evaluation],
    asked: Sequence[str],
    seeds: Sequence[int],
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    """`win_rates` and `judges` of comparison.json; asked: the names of the judges behind an endpoint."""
    found = {
        name: duels.pointwise(greedy, name, measure) for name, measure in _pointwise(greedy, evaluations[0])
    }
    told: dict[str, dict[str, Any]] = {name: {} for name in found}
    for name in asked:
        found[name], told[name] = _read(name, evaluations, greedy, pairs(list(greedy)), seeds)
    exact = found.get(EXACT)
    return {
        "win_rates": [row for some in found.values() for row in duels.rates(some, bootstrap)],
        "judges": [
            {
                "name": name,
                "exempt": name == EXACT,
                "agreement": []
                if name == EXACT
                else trust.records(_identity(name, evaluations[0], told[name])),
                "against_exact": trust.against(exact, some, bootstrap) if exact and name != EXACT else None,
                **{
                    key: told[name][key]
                    for key in ("model", "rubric", "prompts", "alpha", "saved")
                    if key in told[name]
                },
            }
            for name, some in found.items()
        ],
    }


def _pointwise(greedy: Models, sft: Evaluation) -> list[tuple[str, str]]:
    """Judges who score one summary at a time, and the measure that is their score."""
    kind = str(sft.summary.get("judge") or EXACT)
    gold = [(kind, "gold")] if "gold" in greedy[SFT] else []
    return [*gold, ("reward", "reward"), *([] if ("rouge", "gold") in gold else [("rougeL", "rougeL")])]


def _identity(name: str, sft: Evaluation, told: Mapping[str, Any]) -> str:
    """What a record of agreement must be of, to be this judge's."""
    return str(sft.summary["reward_sha256"] if name == "reward" else told.get("identity", name))


def _read(
    name: str, evaluations: Sequence[Evaluation], models: Models, pairs: Sequence[Pair], seeds: Sequence[int]
) -> tuple[list[Duels], dict[str, Any]]:
    """A judge's verdicts on every pair, and the judge; a Refusal where they are of other prompts or models."""
    path = duel_records.FOLDER / f"{name}.parquet"
    try:
        rows = pq.read_table(path).to_pylist()
        told = json.loads((duel_records.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, pa.ArrowException) as error:
        cause = " ".join(str(error).split())[:200]
        raise Refusal(str(path), f"cannot be read ({cause})", f"run the stage duel --by {name}") from error
    if any(told.get(key) != value for key, value in duel_records.compared(evaluations).items()):
        raise Refusal(
            str(path), "is of other prompts or models than these", f"run the stage duel --by {name}"
        )
    places = {prompt: place for place, prompt in enumerate(evaluations[0].prompts("greedy"))}
    turns = {places[row["id"]]: row["turn"] for row in rows}
    order = sorted(turns, key=lambda place: turns[place])
    found = {pair: np.full((len(seeds), len(places)), np.nan) for pair in pairs}
    flips: dict[Pair, list[bool | None]] = {pair: [] for pair in pairs}
    silent = dict.fromkeys(pairs, 0)
    for row in rows:
        pair = row["left"], row["right"]
        if pair not in found:  # the branches stood in another order then
            pair = row["right"], row["left"]
            row |= {"share": None if row["share"] is None else 1 - row["share"]}
        if row["share"] is None:
            silent[pair] += 1
        else:
            found[pair][seeds.index(row["seed"]), places[row["id"]]] = row["share"]
            flips[pair].append(row["flipped"])
    alpha = told["alpha"] and told["alpha"] / len(pairs)
    return [
        Duels(
            *pair,
            name,
            found[pair],
            margins(models, pair, "characters"),
            silent[pair],
            rate(flips[pair]),
            _always(found[pair][:, order], alpha) if alpha else None,
        )
        for pair in pairs
    ], told


def _always(shares_SP: np.ndarray, alpha: float) -> Interval | None:
    """The win rate's interval at all looks together, of prompts in their order; None where none was judged."""
    scores_P = 2 * by_prompt(shares_SP) - 1
    if not scores_P.size:
        return None
    found = sequential.interval(scores_P, alpha)
    return Interval(*((1 + end) / 2 for end in found))
