"""MLflow as a view of what DVC holds: it can be empty, away or deleted without any harm.

reports/metrics and reports/curves are the record. Long trainings forward curves (forwarding.py); `track`
makes every run that the store lacks: of short stages, results from DVC's cache, and all in a fresh store.

Runs are flat: one a record. The evaluations' are the rows to compare by (rows.py), and a comparison's have a view
of their own (view.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.ledger import held, lock, rows, run, state, store, unended
from tasks.ledger.forwarding import followed
from tasks.ledger.run import CONTENT, Card
from tasks.ledger.scratch import digest
from tasks.ledger.target import Target
from tasks.refusal import Refusal

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from tasks.ledger.receipts import Receipt

__all__ = ["followed", "runs", "track"]

REPORT = Path("reports/comparison.html")
RECEIPT = "receipt.sha256"  # tag of the comparison's run
KOREAN = Path("reports/comparison.ko.html")  # beside it, as it links there


def track() -> str:
    """Makes the runs that the store lacks of what DVC holds; says what it did."""
    every = list(held.records())
    if not every:
        return "MLflow: DVC holds no results yet"
    try:
        with lock.held(state.folder("locks") / "track"):  # two at once would make every run twice
            client, experiment = store.opened()
            unended.settle(client, experiment, store.uri())
            known = _known(client, experiment)
            missing = [one for one in every if rows.content(one, every) not in known]
            for one in missing:
                rows.make(client, experiment, one, every)
            added = len(missing) + _send_report(client, experiment, known)
            stands = _compare(client, experiment, every, _known(client, experiment) if missing else known)
    except Exception as error:
        raise _away(error) from error
    return f"MLflow at {store.shown()}: {added} runs added, {len(every) - len(missing)} were there{stands}"


def _compare(client: MlflowClient, experiment: str, every: list[held.Held], known: dict[str, Run]) -> str:
    """Saves the comparison as a view; that of the project's own files decides on champion and challengers."""
    from tasks.ledger import compared, registry, view

    contents = {one.target.record: rows.content(one, every) for one in every}
    found = compared.read(
        {record: known[content] for record, content in contents.items() if content in known}
    )
    if found is None:
        return ""
    page = view.save(client, experiment, found)
    if state.main_tree() != Path.cwd():  # a run in a worktree may have tried anything
        return f"\ncompared in MLflow: {page}"
    view.remember(page)
    return f"\ncompared in MLflow: {page}\n{registry.settle(client, experiment, found)}"


def runs() -> dict[str, str]:
    """Record -> the id of its run, of all that DVC holds and MLflow knows; `experiment` -> the experiment's id.

    `comparison` -> the page of the saved view below MLflow's address.
    """
    from tasks.ledger import compared, view

    client, experiment = store.opened()
    known, every = _known(client, experiment), list(held.records())
    contents = {one.target.record: rows.content(one, every) for one in every} | {"compare": _report() or ""}
    there = {record: known[content] for record, content in contents.items() if content in known}
    found = compared.read(there)
    page = {"comparison": view.address(experiment, found.key)} if found else {}
    return {"experiment": experiment, **page, **{record: one.info.run_id for record, one in there.items()}}


def told() -> dict[str, Any]:
    """For a receipt: the store's address without its password, the experiment, and the runs by record."""
    try:
        found = runs()
    except Exception as error:
        raise _away(error) from error
    page = {name: found.pop(name) for name in ("experiment", "comparison") if name in found}
    return {"store": store.shown().partition("?")[0], **page, "runs": found}


def attach(receipt: Receipt) -> None:
    """Puts the receipt beside the report of the comparison's run, once; without such a run nothing."""
    one = receipt.found["mlflow"].get("runs", {}).get("compare")
    if not one:
        return
    try:
        client = store.opened()[0]
        if client.get_run(one).data.tags.get(RECEIPT) != receipt.found["sha256"]:
            client.log_artifact(one, str(receipt.path))
            client.set_tag(one, RECEIPT, receipt.found["sha256"])
    except Exception as error:
        raise _away(error) from error


def _away(error: Exception) -> Refusal:
    """What to say of a store that does not do what it is asked."""
    place = f"MLflow at {store.shown()}"
    cure = "start it, or unset MLFLOW_TRACKING_URI; then run `python -m tasks track`"
    return Refusal(place, f"the store cannot be used ({run.cause(error)})", cure)


def _send_report(client: MlflowClient, experiment: str, known: dict[str, Run]) -> bool:
    """Makes the run of stage compare, whose files are the report; says whether there was something to do."""
    content = _report()
    if content is None or content in known:
        return False
    tags = {**run.lineage(held.Lock().ancestors("compare")), **run.process(), run.COPY: "true"}
    card = Card(Target("compare"), {}, tags)
    made = run.create(client, experiment, card, run.now())
    for path in (REPORT, KOREAN):
        if path.exists():
            client.log_artifact(made, str(path))
    run.end(client, made, "FINISHED", (run.now(), {"step": 0}), {CONTENT: content})
    return True


def _report() -> str | None:
    """The content of stage compare's run, which holds no metrics; None unless the report is what DVC holds."""
    lock = held.Lock()
    is_held = "compare" in lock.stages and lock.is_here("compare", (REPORT.parent,))
    return digest(REPORT) if is_held and REPORT.exists() else None


def _known(client: MlflowClient, experiment: str) -> dict[str, Run]:
    """Contents -> the run they have."""
    from mlflow.entities import ViewType

    found, token = {}, None
    while True:
        # deleted ones count: who deletes a run in the UI does not want it back
        page = client.search_runs([experiment], "", ViewType.ALL, max_results=1000, page_token=token)
        for one in page:
            if CONTENT in one.data.tags:
                found[one.data.tags[CONTENT]] = one
        token = page.token
        if not token:
            return found
