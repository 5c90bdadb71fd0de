"""`make run`: the flow with a Prefect server of its own, and at the end what came out and where to look."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import State

from flows import ahead, local, scores, ui
from flows.service import answers
from tasks.ledger import lock, receipts, state
from tasks.refusal import Refusal

SETTLED_SECONDS = 20  # a loaded machine; what is not written by then stays "Running" on Prefect's page


def main(flow: Callable[..., Any], tell: Callable[[State], int] | None = None) -> int:
    """Runs the flow; 0 when every stage is up to date, 1 when one failed, 2 when it could not begin.

    tell: shows what came out and gives the exit code, in place of the score table.
    """
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell starts what it puts behind `&` deaf to it
    held = lock.take(state.folder("locks") / "pipeline")
    try:
        if held is None:
            raise Refusal("make run", "another one is at work in this project", "wait for it, or stop it")
        final = _run(flow)
        return (tell or _told)(final)
    except Refusal as refusal:
        print(f"gallim: {refusal}", file=sys.stderr, flush=True)
        if not answers(local.health()):
            os._exit(2)  # Prefect's threads would go on telling a server that is gone, for minutes
        return 2
    except KeyboardInterrupt:
        print("\nstopped; trainings go on from their last checkpoint when started again", file=sys.stderr)
        return 128 + signal.SIGINT
    finally:
        if held is not None:
            os.close(held)  # this process may have another comparison to make


def _run(flow: Callable[..., Any]) -> State:
    print("starting Prefect, checking what is to be done ...", flush=True)
    checking = ahead.begin()
    with local.serving():
        print(f"live view: {local.page()}", flush=True)
        for line in ahead.require(checking):
            print(line, flush=True)
        try:
            final = flow(return_state=True)
            tracked = scores.track(final.state_details.flow_run_id)  # while the server stops
        except Exception as error:
            if answers(local.health()):
                raise
            cure = "what is finished is recorded; run again, or `dvc repro`, which works without it"
            raise Refusal("Prefect", "its server is gone", cure) from error
        finally:
            _drain()
        _settle(final)
    tracked.wait()
    return final


def _drain() -> None:
    """What Prefect still has to tell its server, before that is stopped."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogHandler

    APILogHandler().flush()
    EventsWorker.drain_all(timeout=5)


def _settle(final: State) -> None:
    """Nothing; by then the server has written down how each task run ended, which it learns from events alone."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.client.schemas.objects import StateType

    run, end = final.state_details.flow_run_id, time.monotonic() + SETTLED_SECONDS
    if run is None:
        return
    whole = FlowRunFilter.model_validate({"id": {"any_": [run]}})
    with get_client(sync_client=True) as client:
        while time.monotonic() < end:
            found = client.read_task_runs(flow_run_filter=whole)
            if all(one.state_type != StateType.RUNNING for one in found):
                return
            time.sleep(0.5)


def _told(final: State) -> int:
    done = final.is_completed()
    if done:
        print(f"\n{scores.table()}\n{final.message}")
    else:
        print(f"\nFAILED\n{final.message}", file=sys.stderr, flush=True)
    print("\n".join(where_to_look()), flush=True)
    return 0 if done else 1


def where_to_look() -> list[str]:
    """The report's address, and MLflow's page of the comparison or the command that opens the two UIs."""
    report, address = Path("reports/comparison.html"), ui.links().get("mlflow")
    found = f"report:  {report.resolve().as_uri() if report.exists() else 'none yet'}"
    run = [f"receipt: {left}"] if (left := receipts.newest_path()) else []
    if not address:
        return [found, *run, "MLflow and Prefect: make ui"]
    return [found, *run, f"MLflow:  {scores.page_at(address)}"]


def _terminate(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
