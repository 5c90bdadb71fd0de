"""The receipt of a run: one file that ties its results to what made them.

.state/receipts/<time>-<key>.json names the commit, the parameters, the machine, Prefect's flow run, MLflow's runs,
every stage by its entry in dvc.lock, and every file that a stage wrote by its hashes. Ids and times stand here and in
no output of DVC's, or nothing after them would ever be the same again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tasks.ledger import artifacts, costs, held, lock, machine, receipts, state, version
from tasks.ledger.receipts import Receipt
from tasks.ledger.target import of_command
from tasks.redaction import nobody

FLOW_RUN = "GALLIM_FLOW_RUN"  # the environment variable by which a flow tells its own id
LOCK, PARAMS, COMPARISON = Path("dvc.lock"), Path("params.yaml"), Path("reports/comparison.json")
SHOWN = 8  # characters of the key in a receipt's name


def leave(mlflow: Mapping[str, Any]) -> Receipt | None:
    """The receipt of what DVC holds here; written unless the newest one of this tree says the same.

    mlflow: the store's address and the ids of its runs by record, or why there are none. Outside a run of the flow None
    where a stage has no result: what was edited and not yet run is no run.
    """
    if not LOCK.is_file():
        return None
    with lock.held(state.folder("locks") / "receipts"):
        newest = receipts.newest_here()
        if newest and _is_of_now(newest):
            return _completed(newest, mlflow)
        flow_run = os.environ.get(FLOW_RUN)
        stages = _stages()
        if not flow_run and not all(one["current"] for one in stages):
            return None
        key = artifacts.sha256_of([{k: v for k, v in one.items() if k != "made"} for one in stages])
        if newest and newest.found["key"] == key:
            return _completed(newest, mlflow)
        now = datetime.now(UTC)
        path = receipts.folder() / f"{now:%Y%m%dT%H%M%SZ}-{key[:SHOWN]}.json"
        return receipts.write(path, _content(key, now, flow_run, dict(mlflow), stages))


def told(left: Receipt | None) -> str:
    """A line that says where it lies."""
    if left is None:
        return "receipt: none, as not every stage has its result here (`dvc status` names them)"
    return f"receipt: {left.path} ({len(left.stages)} stages, {len(left.files)} files)"


def _content(
    key: str, now: datetime, flow_run: str | None, mlflow: dict[str, Any], stages: list[dict[str, Any]]
) -> dict[str, Any]:
    text = PARAMS.read_text(encoding="utf-8") if PARAMS.is_file() else ""
    tags = version.tags()
    return {
        "layout": receipts.LAYOUT,
        "key": key,
        "made": now.isoformat(timespec="seconds"),
        "run": {"flow_run": flow_run, "tree": receipts.tree()},
        "git": {"sha": tags.get("git.sha"), "dirty": tags.get("git.dirty"), "changed": version.changes()},
        "mlflow": mlflow,
        "environment": machine.described(compute_of(text)),
        "params": {"sha256": artifacts.sha256_of(text), "text": nobody(text)},
        "lock_sha256": artifacts.of_file(LOCK).sha256,
        "stages": stages,
        "headline": headline(),
    }


def _stages() -> list[dict[str, Any]]:
    """One entry a stage of dvc.yaml, each after all it needs; one without its result says so and no more."""
    from tasks.ledger import graph

    entries = held.Lock(LOCK).stages
    return [
        _stage(name, entries[name]) if current and name in entries else {"name": name, "current": False}
        for name, current in graph.standing().items()
    ]


def _stage(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """The stage's entry in dvc.lock with the files that lie there; not current where they are others."""
    outs = {}
    for out in entry.get("outs", []):
        files = artifacts.of(Path(out["path"]))
        if artifacts.md5(out["path"], files) != out.get("md5"):
            return {"name": name, "current": False}
        told = {path: {"sha256": one.sha256, "md5": one.md5, "size": one.size} for path, one in files.items()}
        outs[out["path"]] = {"md5": out["md5"], "files": told}
    target = of_command(entry["cmd"]) if isinstance(entry["cmd"], str) else None
    return {
        "name": name,
        "current": True,
        "cmd": nobody(str(entry["cmd"])),
        "params_sha256": artifacts.sha256_of(entry.get("params", {})),
        "deps": {dep["path"]: dep.get("md5") for dep in entry.get("deps", [])},
        "outs": outs,
        "made": _made(target.record) if target else {},
    }


def _made(record: str) -> dict[str, Any]:
    """When and of which commit the result was made here; empty for one that came from elsewhere."""
    told = costs.of(record)
    return {name: told[name] for name in ("started", "ended", "seconds", "device", "code") if name in told}


def headline() -> dict[str, Any]:
    """What the comparison here says in few numbers; empty without one."""
    if not COMPARISON.is_file():
        return {}
    return summary(json.loads(COMPARISON.read_text(encoding="utf-8")))


def summary(found: Mapping[str, Any]) -> dict[str, Any]:
    """The means of the headline by model, and each verdict on it with its interval, of greedy texts."""
    measure = found.get("headline")
    rows = [row for row in found.get("differences", {}).get("greedy", []) if row["measure"] == measure]
    means = found.get("scores", {}).get("greedy", {})
    kept = ("difference", "low", "high", "p_holm", "verdict")
    return {
        "measure": measure,
        "means": {name: scores[measure]["mean"] for name, scores in means.items() if measure in scores},
        "verdicts": {
            f"{row['left']} - {row['right']}": {name: row.get(name) for name in kept} for row in rows
        },
    }


def _is_of_now(newest: Receipt) -> bool:
    """Whether dvc.lock and params.yaml are what they were then, so that nothing has run since."""
    if not PARAMS.is_file() or not all(one["current"] for one in newest.found["stages"]):
        return False
    same_lock = newest.found["lock_sha256"] == artifacts.of_file(LOCK).sha256
    text = PARAMS.read_text(encoding="utf-8")
    return same_lock and newest.found["params"]["sha256"] == artifacts.sha256_of(text)


def _completed(newest: Receipt, mlflow: Mapping[str, Any]) -> Receipt:
    """The receipt; MLflow's runs are added where the store was away when it was written."""
    if "runs" not in newest.found["mlflow"] and "runs" in mlflow:
        return receipts.write(newest.path, {**newest.found, "mlflow": dict(mlflow)})
    return newest


def compute_of(text: str) -> dict[str, Any]:
    """The section compute of a params.yaml; empty where it has none."""
    given = YAML(typ="safe", pure=True).load(text)
    compute = given.get("compute") if isinstance(given, dict) else None
    return compute if isinstance(compute, dict) else {}
