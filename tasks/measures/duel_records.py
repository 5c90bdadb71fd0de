"""What the stage duel leaves in reports/duels for the comparison: every verdict of one judge, and who that was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks import whole
from tasks.measures.contests import Played
from tasks.measures.evaluations import Evaluation
from tasks.sections.asked import EndpointTeacher

FOLDER = Path("reports/duels")
SCHEMA = pa.schema(
    [("id", pa.string()), ("turn", pa.int64()), ("left", pa.string()), ("right", pa.string())]
    + [("seed", pa.int64())]
    + [("share", pa.float64()), ("flipped", pa.bool_())]
)


def identity(model: EndpointTeacher, rubric: str) -> str:
    """sha256 of all that makes a judge this one: the model's name, the rubric's text, how it replies."""
    whole = json.dumps([model.model, rubric, model.temperature, model.reply_tokens], ensure_ascii=False)
    return hashlib.sha256(whole.encode()).hexdigest()


def compared(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """What verdicts are of: the prompts' hash and each model's weights."""
    return {
        "prompts_sha256": evaluations[0].summary.get("prompts_sha256"),
        "models": {each.model: each.summary.get("model_sha256") for each in evaluations},
    }


def write(
    name: str,
    told: Mapping[str, Any],
    played: Played,
    order: Sequence[int],
    ids: Sequence[str],
    seeds: Sequence[int],
) -> None:
    """Two new files.

    A row is a duel; `turn` is the place of its prompt in the order in which prompts were judged.
    """
    turns = {prompt: turn for turn, prompt in enumerate(order)}
    rows = [
        {"id": ids[prompt], "turn": turns[prompt], "left": left, "right": right, "seed": seeds[seed]}
        | outcome._asdict()
        for (left, right), some in played.outcomes.items()
        for (prompt, seed), outcome in sorted(some.items())
    ]
    whole.table(FOLDER / f"{name}.parquet", pa.Table.from_pylist(rows, schema=SCHEMA))
    whole.as_json(FOLDER / f"{name}.json", told)
