"""How far the judges of a comparison may be believed: what was measured of each, and what to warn of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tasks.measures import agreement
from tasks.measures.alarms import Alarm
from tasks.measures.comparison import Bootstrap
from tasks.measures.duels import Duels, label
from tasks.measures.evaluations import SFT
from tasks.measures.language import both, phrase, say
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
                found.append(_alarm(partial(_below, judge["name"], measured)))
    unknown = [
        judge["name"]
        for judge in judges
        if not (judge["exempt"] or judge["agreement"] or judge["against_exact"])
    ]
    if unknown:
        found.append(_alarm(partial(_unknown, unknown)))
    return found


def circular(branches: Sequence[Mapping[str, Any]], records: Mapping[str, Mapping[str, Any]]) -> list[Alarm]:
    """A warning for each branch that learned from the very judge whose score is the headline.

    branches: as given.of tells of each; records: the files of reports/metrics, by name.
    """
    reward = phrase(
        "{branch} was rewarded in training by the judge itself: its score shows that it learned to please this judge, "
        "and another judge may say otherwise."
    )
    teacher = phrase(
        "{branch} learned from pairs that the judge itself chose: its score shows that it learned to please this "
        "judge, and another judge may say otherwise."
    )
    judging = phrase(
        "{branch} learned to judge summaries from the judge itself: its score shows that it learned to please this "
        "judge, and another judge may say otherwise."
    )
    found, roots = [], {branch["name"]: branch for branch in branches}
    for branch in branches:
        name, root = branch["name"], branch
        while root.get("settings", {}).get("after") in roots:
            root = roots[root["settings"]["after"]]
        if root["family"] == "taught" and records.get(f"taught-{root['name']}", {}).get("teacher_is_judge"):
            found.append({"kind": "circular", "branch": name, **both(partial(say, judging, branch=name))})
            continue
        made = records.get(f"{branch['family']}-{name}", {})
        told = [reward] if branch["information"] == "the judge itself" else []
        told += [teacher] if made.get("teacher_is_judge") else []
        found += [
            {"kind": "circular", "branch": name, **both(partial(say, text, branch=name))} for text in told
        ]
    return found


def _alarm(text: Callable[[], str]) -> Alarm:
    return {"kind": "judge", "branch": SFT, **both(text)}


def _unknown(judges: Sequence[str]) -> str:
    return say(
        "Nobody measured how far these judges agree with people: {judges}. `{command}` does it on any rated set.",
        judges=", ".join(map(label, judges)),
        command=COMMAND,
    )


def _below(name: str, measured: Mapping[str, Any]) -> str:
    """What is wrong with a judge that knows no more than lengths."""
    whom = say("people ({set})", set=measured["set"]) if "set" in measured else say("the exact judge")
    shares = [
        f"{measured[key]['mean']:.1%}" if measured[key] else say("no pair") for key in ("agreement", "longer")
    ]
    return say(
        "The judge {judge} agrees with {whom} on {share}, 'prefer the longer' on {longer}: "
        "it is not clearly better than that and than a coin. Do not rank by its win rates.",
        judge=label(name),
        whom=whom,
        share=shares[0],
        longer=shares[1],
    )
