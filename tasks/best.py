"""Stage best: of each of fold A's prompts the best of the first N samples, by fold A's reward model or by the judge."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks import whole
from tasks.engine import models, reward_model
from tasks.engine.journal import Journal
from tasks.engine.reward_model import CLIMBED
from tasks.refusal import Refusal
from tasks.settings import Compute

SAMPLES, PAIRS = Path("data/judged.parquet"), Path("data/pairs/a.parquet")
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("prompt", pa.string()),
        ("completion", pa.string()),
        ("sample", pa.int64()),
        ("score", pa.float64()),
        ("ranked", pa.int64()),  # how many it was the best of: N less those cut off or empty
        ("mean_score", pa.float64()),  # of all that were ranked
    ]
)
Sample = dict[str, Any]


def run(branch: str, entry: Any, compute: Compute, journal: Journal) -> dict[str, float | int | str]:
    """Counts of prompts and of what was left out; how far the best lie above the mean of those ranked; the budget."""
    prompts = prompts_of(branch)
    every = samples_of(branch, prompts, entry.best_of)
    taken, dropped = usable(every, entry.best_of)
    if not taken:
        raise Refusal(
            f"branches.best.{branch}",
            f"none of {len(every)} prompts has a summary to learn ({dict(dropped)})",
            "train sft longer, or raise text.max_completion_tokens",
        )
    if entry.reward == "judge":
        scores = {name: [row["score"] for row in some] for name, some in taken.items()}
    else:
        scores = rewarded(prompts, taken, compute, journal)
    rows = [{"prompt": prompts[name], **best(some, scores[name])} for name, some in taken.items()]
    out = Path(f"data/best/{branch}.parquet")
    whole.table(out, pa.Table.from_pylist(rows, schema=SCHEMA))
    return {
        "data_sha256": models.file_sha256(out),
        "pairs_sha256": models.file_sha256(PAIRS),
        "reward": entry.reward,
        **({"climbed_sha256": models.weights_hash(CLIMBED)} if entry.reward == "model" else {}),
        "generated_tokens": sum(row["tokens"] for some in every.values() for row in some[: entry.best_of]),
        "reward_calls": sum(map(len, taken.values())),
        "rows": len(rows),
        **{f"dropped_{reason}": count for reason, count in sorted(dropped.items())},
        "mean_score_best": round(sum(row["score"] for row in rows) / len(rows), 6),
        "mean_score_ranked": round(sum(row["mean_score"] for row in rows) / len(rows), 6),
    }


def prompts_of(branch: str) -> dict[str, str]:
    """Fold A's prompts by the id of their document; a user's own pairs have no samples."""
    pairs = pq.read_table(PAIRS, columns=["id", "prompt", "judge"]).to_pylist()
    if any(pair["judge"] is None for pair in pairs):
        raise Refusal(
            f"branches.best.{branch}",
            "the prompts of these pairs are your own, and no samples belong to them",
            "set pairs.source.kind: sampled, or take the entry out",
        )
    return {pair["id"]: pair["prompt"] for pair in pairs}


def samples_of(branch: str, prompts: dict[str, str], best_of: int) -> dict[str, list[Sample]]:
    """Every prompt's samples in the order they were drawn in, N or more of each."""
    found: dict[str, list[Sample]] = {name: [] for name in prompts}
    columns = ["id", "sample", "completion", "ended", "tokens", "score"]
    for row in pq.read_table(SAMPLES, columns=columns).to_pylist():
        if row["id"] in found:
            found[row["id"]].append(row)
    fewest = min(map(len, found.values()))
    if best_of > fewest:
        raise Refusal(
            f"branches.best.{branch}: best_of",
            f"is {best_of}, and {SAMPLES} holds {fewest} samples of a document",
            f"lower it, or raise sample.completions to {best_of}",
        )
    return {name: sorted(some, key=lambda row: row["sample"]) for name, some in found.items()}


def usable(every: dict[str, list[Sample]], best_of: int) -> tuple[dict[str, list[Sample]], Counter[str]]:
    """Of each prompt's first N those that ended and say something, and the counts of what was left out."""
    taken: dict[str, list[Sample]] = defaultdict(list)
    dropped: Counter[str] = Counter(samples_cut_off=0, samples_empty=0, prompts_without_any=0)
    for name, some in every.items():
        for row in some[:best_of]:
            if not row["ended"]:
                dropped["samples_cut_off"] += 1
            elif not row["completion"]:
                dropped["samples_empty"] += 1
            else:
                taken[name].append(row)
        dropped["prompts_without_any"] += name not in taken
    return dict(taken), dropped


def rewarded(
    prompts: dict[str, str], taken: dict[str, list[Sample]], compute: Compute, journal: Journal
) -> dict[str, list[float]]:
    """Fold A's reward of every sample, in deviations from its mean."""
    asked = [(prompts[name], [row["completion"] for row in some]) for name, some in taken.items()]
    return dict(zip(taken, reward_model.scores(asked, compute, journal.say), strict=True))


def best(some: list[Sample], scores: list[float]) -> dict[str, Any]:
    """The sample of the highest score, the first one of equals, and how it stands among the others."""
    place = max(range(len(some)), key=lambda number: (scores[number], -number))
    chosen = {name: some[place][name] for name in ("id", "completion", "sample")}
    return {
        **chosen,
        "score": scores[place],
        "ranked": len(some),
        "mean_score": sum(scores) / len(scores),
    }
