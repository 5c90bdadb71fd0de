"""What the trials of a grid came to: each one's scores on the split, the best of every branch, the spread."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import stdev
from typing import Any

from tasks.ledger import costs
from tasks.measures.evaluations import FOLDER, SFT
from tasks.settings import Setting

NUMBERS = {"score": 3, "sampled": 3, "reward": 3, "kl": 2, "seconds": 0, "peak_memory_mib": 0}  # decimals


@dataclass(frozen=True)
class Trial:
    """One training; its numbers are None where it failed, or where nobody measured them."""

    branch: str
    number: int
    settings: dict[str, Setting]
    score: float | None  # the measure's mean over greedy summaries
    sampled: float | None = None  # and over sampled ones
    reward: float | None = None
    kl: float | None = None  # nats a sequence, k1
    seconds: float | None = None
    peak_memory_mib: float | None = None


def name(branch: str, number: int) -> str:
    """The trial's own branch in params.yaml."""
    return f"{branch}__{number}"


def gathered(grid: Mapping[str, Sequence[dict[str, Setting]]], seed: int) -> tuple[str, list[Trial]]:
    """The measure that decides, and every trial; grid: by branch the settings of its trials, numbered from 1."""
    keys = [(branch, n) for branch, settings in grid.items() for n in range(1, len(settings) + 1)]
    found = {key: _summary(f"{name(*key)}-{seed}") for key in keys}
    through = [summary for summary in found.values() if summary]
    measure = "gold" if through and all("gold" in one["greedy"] for one in through) else "rougeL"
    return measure, [
        _trial(key, grid[key[0]][key[1] - 1], summary, measure, seed) for key, summary in found.items()
    ]


def reference(measure: str) -> float | None:
    """The score of models/sft."""
    return _summary(SFT).get("greedy", {}).get(measure)


def best(trials: Sequence[Trial]) -> dict[str, Trial]:
    """By branch the trial with the highest score, the first of equals; a branch whose trials all failed is absent."""
    found: dict[str, Trial] = {}
    for trial in trials:
        known = found.get(trial.branch)
        if trial.score is not None and (known is None or trial.score > (known.score or 0.0)):
            found[trial.branch] = trial
    return found


def spreads(trials: Sequence[Trial]) -> dict[str, dict[str, Any]]:
    """By branch how far its trials that came through lie apart, and how many did not."""
    found = {}
    for branch in dict.fromkeys(trial.branch for trial in trials):
        own = [trial for trial in trials if trial.branch == branch]
        scores = [trial.score for trial in own if trial.score is not None]
        found[branch] = {
            "trials": len(own),
            "failed": len(own) - len(scores),
            "best": max(scores, default=None),
            "worst": min(scores, default=None),
            "range": round(max(scores) - min(scores), 6) if scores else None,
            "sd": round(stdev(scores), 6) if len(scores) > 1 else None,
        }
    return found


def as_json(measure: str, trials: Sequence[Trial], **more: Any) -> str:
    """All of it; `more` says of what."""
    found = {**more, "measure": measure, "sft": reference(measure), "branches": spreads(trials)}
    found["trials"] = [asdict(trial) for trial in trials]
    return json.dumps(found, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def markdown(measure: str, trials: Sequence[Trial]) -> str:
    """Two tables: every trial, and every branch; aligned, to be read in a terminal too."""
    chosen, sft = best(trials), reference(measure)
    header = ["branch", "trial", "settings", f"{measure}, greedy", "sampled", "reward", "KL, nats"]
    rows = [
        [
            trial.branch,
            f"{trial.number}{' *' if trial is chosen.get(trial.branch) else ''}",
            _said(trial.settings),
        ]
        + (["failed", *"-----"] if trial.score is None else _cells(asdict(trial), NUMBERS))
        for trial in trials
    ]
    each = [
        [branch, str(found["trials"]), str(found["failed"])]
        + _cells(found, dict.fromkeys(("best", "worst", "range", "sd"), 3))
        for branch, found in spreads(trials).items()
    ]
    note = f"* the branch's best. {measure} of sft: {sft:.3f}." if sft is not None else "* the branch's best."
    return "\n\n".join(
        [
            _table([*header, "seconds", "peak, MiB"], rows),
            note,
            _table(["branch", "trials", "failed", "best", "worst", "range", "sd"], each) + "\n",
        ]
    )


def _trial(
    key: tuple[str, int], settings: dict[str, Setting], summary: dict[str, Any], measure: str, seed: int
) -> Trial:
    if not summary:
        return Trial(*key, settings, score=None)
    greedy, sampled = summary["greedy"], summary["sampled"]
    cost = costs.of(f"align-{name(*key)}-{seed}")
    peak = cost.get("peak_memory_bytes")
    return Trial(
        *key,
        settings,
        score=greedy.get(measure),
        sampled=sampled.get(measure),
        reward=sampled.get("reward"),
        kl=sampled.get("kl_k1"),
        seconds=cost.get("seconds"),
        peak_memory_mib=peak and round(peak / 2**20, 1),
    )


def _summary(model: str) -> dict[str, Any]:
    """Of the model's evaluation; empty where there is none, as where its training failed."""
    path = Path(FOLDER) / model / "summary.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _said(settings: Mapping[str, Setting]) -> str:
    return ", ".join(f"{place.rpartition('.')[2]} {value}" for place, value in settings.items())


def _cells(numbers: Mapping[str, Any], decimals: Mapping[str, int]) -> list[str]:
    return ["-" if numbers[key] is None else f"{numbers[key]:.{count}f}" for key, count in decimals.items()]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown whose columns stand below one another."""
    widths = [max(len(row[place]) for row in (header, *rows)) for place in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    )
