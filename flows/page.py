"""What a run's page in Prefect shows besides its stages: their progress, the score table, links to MLflow, tags.

The server may be gone at any moment, which must not harm the run.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from prefect import get_run_logger
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    update_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from flows import scores, ui
from tasks.ledger import run

PROGRESS_SECONDS = 2.0


class Progress:
    """A progress bar on a stage's task run: its step, its losses, and when it will be done."""

    def __init__(self, stage: str):
        self._stage, self._shown = stage, -PROGRESS_SECONDS
        self._began: tuple[float, int] | None = None
        self._artifact: Any = None

    def show(self, numbers: dict[str, Any]) -> None:
        """numbers: `step`, `of`, and what the trainer logged; throttled where they come fast."""
        now, step, of = time.monotonic(), numbers["step"], numbers["of"]
        self._began = self._began or (now, step)
        if now - self._shown < PROGRESS_SECONDS and step < of:
            return
        self._shown = now
        share, text = 100.0 * step / max(1, of), f"{self._stage}: {self._sentence(now, numbers)}"
        with _unharmed("no progress"):
            if self._artifact is None:
                self._artifact = create_progress_artifact(share, description=text)
            else:
                update_progress_artifact(self._artifact, share, description=text)

    def _sentence(self, now: float, numbers: dict[str, Any]) -> str:
        (began, first), step, of = self._began or (now, 0), numbers["step"], numbers["of"]
        parts = [f"step {step} of {of}"]
        parts += [f"{name} {value:.4g}" for name, value in numbers.items() if _is_number(name, value)]
        if first < step < of:
            parts.append(f"about {(now - began) / (step - first) * (of - step):.0f} s left")
        return ", ".join(parts)


def _is_number(name: str, value: Any) -> bool:
    return name not in ("step", "of") and isinstance(value, int | float)


def tag(text: str) -> None:
    """One more tag on the run."""
    with _unharmed("no tag"), get_client(sync_client=True) as client:
        known = client.read_flow_run(flow_run.id).tags
        client.update_flow_run(flow_run.id, tags=sorted({*known, text}))


def tag_sft(stages: set[str]) -> None:
    """Which SFT model all branches of the run descend from, if that is among its stages."""
    sft = "sft" in stages and run.lineage([run.SFT]).get("sft.sha256")
    if sft:
        tag(f"sft:{sft[:10]}")


def show_table() -> None:
    """The comparison's scores."""
    shown = scores.table()
    if shown:
        with _unharmed("no table"):
            create_markdown_artifact(
                f"```\n{shown}\n```", key="score-table", description="scores of the branches"
            )


def show_links(records: set[str]) -> None:
    """The report, the view of the comparison, and the runs of these records side by side, as MLflow's pages have them
    while `make ui` runs.
    """
    address = ui.links().get("mlflow")
    if not address:
        return
    shown = {"experiment", *records} | ({"comparison"} if "compare" in records else set())
    found = {record: made for record, made in scores.runs().items() if record in shown}
    with _unharmed("no links"):
        for key, (path, text) in _paths(found).items():
            create_link_artifact(f"{address}/{path}", text, key=key, description=text)


def _paths(found: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Artifact key -> the page of MLflow's, and what it shows; found: record -> MLflow's run."""
    experiment = found.get("experiment", "")
    evaluations = [made for record, made in found.items() if record.startswith("evaluate-")]
    paths = {}
    if "compare" in found:
        text = "the report (reports/comparison.html)"
        paths["report"] = (
            f"#/experiments/{experiment}/runs/{found['compare']}/artifacts/comparison.html",
            text,
        )
    if "comparison" in found:
        paths["mlflow-grouped"] = found["comparison"], "the branches grouped by method in MLflow"
    if evaluations:
        runs, experiments = quote(json.dumps(evaluations)), quote(json.dumps([experiment]))
        text = "the evaluations side by side in MLflow"
        paths["mlflow-compare"] = f"#/compare-runs?runs={runs}&experiments={experiments}", text
    return paths


@contextmanager
def _unharmed(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        get_run_logger().debug("%s: %s", what, error)
