"""How far the judges of a comparison may be believed: what was measured of each, and what to warn of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.measures import agreement
from tasks.measures.alarms import Alarm
from tasks.measures.comparison import Bootstrap
from tasks.measures.duels import Duels, label
from tasks.measures.evaluations import SFT
from tasks.refusal import Refusal

RECORDS = Path("reports/agreement")
TOLD = ("pairs", "agreement", "agreement_with_ties", "kappa", "longer", "above_longer")
COMMAND = "python -m tasks agreement"


def records(identity: str) -> list[dict[str, Any]]:
    """What was measured of this judge, by set."""
    found = []
    for path in sorted(RECORDS.glob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["identity"] == identity:
                found.append({"set": record["set"], **{key: record[key] for key in TOLD}})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Refusal(
                str(path), f"is no record of agreement ({error!r})", f"remove it, or run `{COMMAND}`"
            ) from error
    return found


def against(exact: Sequence[Duels], some: Sequence[Duels], bootstrap: Bootstrap) -> dict[str, Any]:
    """Agreement with the exact judge on the comparison's own duels, prompts resampled."""
    human_N, judge_N = (np.concatenate([each.shares_SP.ravel() for each in every]) for every in (exact, some))
    longer_N = np.concatenate([(1 + np.sign(each.longer_SP).ravel()) / 2 for each in exact])
    prompt_N = np.concatenate(
        [np.broadcast_to(np.arange(each.shares_SP.shape[1]), each.shares_SP.shape).ravel() for each in exact]
    )
    asked_N = np.isfinite(judge_N)
    every = (human_N, judge_N, longer_N, prompt_N)
    found = agreement.measured(*(each[asked_N] for each in every), bootstrap) if asked_N.any() else None
    return {key: found[key] for key in TOLD} if found else {"pairs": 0, **dict.fromkeys(TOLD[1:])}


def alarms(judges: Sequence[Mapping[str, Any]]) -> list[Alarm]:
    """A warning for each judge that does not clearly beat "prefer the longer" and a coin, and for whom nobody measured.

    Where the exact judge is there, the others were measured against it, on these very summaries.
    """
    found = []
    for judge in judges:
        for measured in [*judge["agreement"], *filter(None, [judge["against_exact"]])]:
            if not agreement.useful(measured):
                found.append(_alarm(_below(judge["name"], measured)))
    unknown = [
        judge["name"]
        for judge in judges
        if not (judge["exempt"] or judge["agreement"] or judge["against_exact"])
    ]
    if unknown:
        names = ", ".join(map(label, unknown))
        text = f"Nobody measured how far these judges agree with people: {names}. `{COMMAND}` does it on any rated set."
        found.append(_alarm(text))
    return found


def _alarm(text: str) -> Alarm:
    return {"kind": "judge", "branch": SFT, "text": text}


def _below(name: str, measured: Mapping[str, Any]) -> str:
    """What is wrong with a judge that knows no more than lengths."""
    whom = f"people ({measured['set']})" if "set" in measured else "the exact judge"
    shares = [
        f"{measured[key]['mean']:.1%}" if measured[key] else "no pair" for key in ("agreement", "longer")
    ]
    return (
        f"The judge {label(name)} agrees with {whom} on {shares[0]}, 'prefer the longer' on {shares[1]}: "
        "it is not clearly better than that and than a coin. Do not rank by its win rates."
    )
