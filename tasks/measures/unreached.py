"""Warnings of a comparison whose models do no better than what needs no model: a winner among them is no good one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from tasks.measures.alarms import Alarm
from tasks.measures.comparison import Models
from tasks.measures.language import both, phrase, say
from tasks.measures.tables import label

LEAD = phrase(
    "No model does better than lead-1, the document's first line or sentence: the best, {branch}, has {value} on "
    "{measure}, lead-1 {baseline}. Higher than sft does not mean good here."
)
FLOOR = phrase(
    "No better than the floor: on ROUGE-L another document's reference has {baseline} against the reference, {branch}, "
    "the best model, {value}."
)


def alarms(greedy: Models, measure: str, baselines: Mapping[str, Mapping[str, float]]) -> list[Alarm]:
    """The best model by its mean of greedy texts against lead-1 on `measure`, and against the floor on ROUGE-L.

    baselines: as the evaluation of sft tells them, by text and measure. Means alone: this warns, and decides nothing.
    """
    asked = (("lead1", measure, LEAD), ("random", "rougeL", FLOOR))
    found = []
    for text, each, template in asked:
        baseline = baselines.get(text, {}).get(each)
        means = {name: float(values[each].mean()) for name, values in greedy.items()}
        best = max(means, key=means.__getitem__)
        if baseline is not None and means[best] <= baseline:
            found.append(
                {
                    "kind": text,
                    "branch": best,
                    **both(partial(_told, template, best, means[best], each, baseline)),
                }
            )
    return found


def _told(template: str, branch: str, value: float, measure: str, baseline: float) -> str:
    fields: dict[str, Any] = {"branch": branch, "value": f"{value:.3f}", "baseline": f"{baseline:.3f}"}
    return say(template, measure=label(measure), **fields)
