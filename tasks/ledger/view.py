"""A comparison as a saved view of MLflow's runs page: its evaluations, a row a branch and seed, grouped by method.

MLflow 3.17 keeps a view as a tag of the experiment: an envelope with its name and times, and in it what the page shows,
as JSON; what is left out is as the page has it anyway. The page's menu `Views` lists them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.ledger import rows, run, state
from tasks.ledger.compared import Compared

if TYPE_CHECKING:
    from mlflow import MlflowClient

OURS = "mlflow.sharedViewState.gallim-"  # the tag's name, but for the comparison's key
KEPT = 20  # newest views; MLflow's page lets nobody save one more where there are 40
SECTION = {"uuid": "gallim", "name": "comparison", "display": True, "isReordered": False}
MOST_RUNS = 100  # of a chart
KL = "sampled_kl_k1"


def save(client: MlflowClient, experiment: str, compared: Compared) -> str:
    """The page's address below MLflow's own; the view and the tags by which it finds its runs are made once."""
    for one in compared.runs.values():
        if _tag(compared) not in one.data.tags:
            client.set_tag(one.info.run_id, _tag(compared), "yes")
    tags = client.get_experiment(experiment).tags
    if OURS + compared.key not in tags:
        client.set_experiment_tag(experiment, OURS + compared.key, _envelope(compared))
        views = sorted((name for name in tags if name.startswith(OURS)), key=lambda name: _made(tags[name]))
        for name in views[: -(KEPT - 1)]:
            client.delete_experiment_tag(experiment, name)
    return address(experiment, compared.key)


def address(experiment: str, key: str) -> str:
    """The view's page below MLflow's address; without the last word it is shown among the pages for agents."""
    of = f"viewStateShareKey=gallim-{key}&compareRunsMode=CHART&workflowType=machine_learning"
    return f"#/experiments/{experiment}/runs?{of}"


def remember(page: str) -> None:
    """Keeps the page of the project's own comparison for those that show links."""
    (state.folder("mlflow") / "comparison.page").write_text(page, encoding="utf-8")


def remembered() -> str | None:
    """The page of the project's own comparison; None before there was one, and in a worktree, whose is another."""
    path = state.root() / "mlflow" / "comparison.page"
    is_own = state.main_tree() == Path.cwd()
    return path.read_text(encoding="utf-8") if is_own and path.exists() else None


def _tag(compared: Compared) -> str:
    """A run may belong to many comparisons, so each has a tag of its own."""
    return f"comparison.{compared.key}"


def _envelope(compared: Compared) -> str:
    made = run.now()
    named = {"name": f"comparison {compared.key}", "createdAt": made, "updatedAt": made}
    return json.dumps({**named, "state": json.dumps(_state(compared))})


def _state(compared: Compared) -> dict[str, Any]:
    """What the page shows; two branches of one method are two groups, for their mean would be of nothing."""
    methods = [branch["method"] for branch in compared.branches.values()]
    keys = ["method"] if len(set(methods)) == len(methods) else ["method", "branch"]
    headline = compared.found["headline"]
    greedy = dict.fromkeys(f"greedy_{name}" for name in (headline, "rougeL", "reward"))
    shown = [rows.score(name) for name in (*greedy, f"sampled_{headline}", KL)]
    settings = dict.fromkeys(name for branch in compared.branches.values() for name in branch["settings"])
    return {
        "searchFilter": f"tags.`{_tag(compared)}` = 'yes'",
        "groupBy": {
            "aggregateFunction": "average",
            "groupByKeys": [{"mode": "param", "groupByData": key} for key in keys],
        },
        "selectedColumns": [
            *(f"metrics.`{name}`" for name in shown),
            *(f"params.`{name}`" for name in ("seed", *settings)),
        ],
        "runsHiddenMode": "SHOW_ALL",
        "compareRunSections": [{**SECTION, "deleted": False, "isGenerated": False}],
        "compareRunCharts": _charts(shown[:-1], rows.score(KL), rows.score(f"sampled_{headline}")),
    }


def _charts(bars: list[str], across: str, up: str) -> list[dict[str, Any]]:
    """A section of its own above those that the page makes of all metrics: means as bars, and the headline by KL."""
    charts: list[dict[str, Any]] = [{"type": "BAR", "metricKey": name} for name in bars]
    axes = {"xaxis": {"key": across, "type": "METRIC"}, "yaxis": {"key": up, "type": "METRIC"}}
    charts.append({"type": "SCATTER", **axes})
    common = {"metricSectionId": SECTION["uuid"], "deleted": False, "isGenerated": False}
    return [
        {**chart, **common, "uuid": f"gallim-{place}", "runsCountToCompare": MOST_RUNS}
        for place, chart in enumerate(charts)
    ]


def _made(envelope: str) -> int:
    return json.loads(envelope)["createdAt"]
