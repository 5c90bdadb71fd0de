"""Runs whose process is gone without a word: their state says so, and their pages offer Retry again."""

import os
import sys

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName, FlowRunFilter
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Cancelled, Crashed

from flows.deploy import FLOW
from tasks.ledger import lock, state

UNENDED = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]


def end(client: SyncPrefectClient) -> int:
    """Ends them, while no worker is at work; gives their number."""
    found = client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[FLOW])),
        flow_run_filter=FlowRunFilter.model_validate({"state": {"type": {"any_": UNENDED}}}),
    )
    orphans = [run for run in found if _is_orphan(run)]
    for run in orphans:
        asked_to_stop = run.state is not None and run.state.type == StateType.CANCELLING
        ended = Cancelled() if asked_to_stop else Crashed(message="its worker is gone; Retry goes on")
        client.set_flow_run_state(run.id, ended, force=True)
    return len(orphans)


def _is_orphan(run: FlowRun) -> bool:
    """Whether nobody holds its worktree."""
    home = state.folder("runs") / str(run.id)
    if not home.exists():
        return True
    handle = lock.take(home / "lock")
    if handle is not None:
        os.close(handle)
    return handle is not None


if __name__ == "__main__":
    with get_client(sync_client=True) as client:
        end(client)
    sys.exit(0)
