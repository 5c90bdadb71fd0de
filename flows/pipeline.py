"""The Prefect flow: DVC's graph as task runs, one a stage. `python -m flows.pipeline` is `make run`.

DVC alone decides what is current, so Prefect caches nothing here; a task run says in the name of its state
what DVC found: Completed (it ran), RunCache (an earlier result came back) or Unchanged.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # before prefect is imported, which reads its settings then
    from flows import local

    local.settle()
    local.start()

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed

from flows import graph, page, stage_process
from flows.terminal import TERMINAL
from tasks.ledger import state

REFUSED = "Refused"
RAN, RESTORED, UNCHANGED = stage_process.RAN, stage_process.RESTORED, stage_process.UNCHANGED
NAMES = {RAN: "Completed", RESTORED: "RunCache", UNCHANGED: "Unchanged"}


@task(cache_policy=NO_CACHE, persist_result=False)
def stage(name: str, current: bool, upstream: list[str], log: Path, seconds: float | None) -> State:
    """Brings one stage up to date; `upstream` says how its needs came about."""
    if current and all(how == UNCHANGED for how in upstream):
        return _completed(name, UNCHANGED)  # dvc has said so for the whole graph already
    progress, logger = page.Progress(name), get_run_logger()

    def told(line: str) -> None:
        numbers = TERMINAL.tell(name, line)
        if numbers:
            progress.show(numbers)
        elif line:
            logger.info(line)

    with TERMINAL.at_work(name), _alone(name):
        ending = stage_process.run(name, told, log, seconds)
    if ending.code:
        TERMINAL.say(name, f"FAILED: {ending.reason}")
        return Failed(message=f"{ending.reason} (log: {log})", name=REFUSED if ending.refused else "Failed")
    return _completed(name, ending.how)


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """No other run makes the same result meanwhile: who comes second gets it from DVC's cache."""
    key = f"{name}-{graph.identity(name)[:16]}"
    path = state.folder("locks") / "stages" / key
    handle = stage_process.take(path)
    try:
        yield
    finally:
        path.unlink()  # whoever waits on it notices
        os.close(handle)


@flow(name="gallim", persist_result=False)
def pipeline(without: str | None = None) -> State:
    """Every stage of dvc.yaml; a failed one stops what needs it and nothing else.

    without: the name of a stage that no other needs.
    """
    stage_process.begin()
    try:
        wanted = [one for one in graph.read() if one.group != without]
        return outcome(submit(wanted, state.folder("logs")))
    except BaseException:  # cancelled, killed, Ctrl-C: Prefect itself would leave the stages running
        stage_process.stop_all()
        raise


def submit(stages: list[graph.Stage], logs: Path) -> dict[str, PrefectFuture]:
    """Starts a task run a stage, waiting for one another along DVC's edges; to be called inside a flow."""
    futures: dict[str, PrefectFuture] = {}
    for one in stages:
        needs = [futures[name] for name in one.needs]
        bound = stage.with_options(
            name=one.name,
            task_run_name=one.name,
            retries=one.meta.get("retries", 0),
            retry_condition_fn=_may_help,
        )
        parameters: dict[str, Any] = {"name": one.name, "current": one.current, "upstream": needs}
        parameters |= {"log": logs / f"{one.name}.log", "seconds": one.meta.get("timeout_seconds")}
        futures[one.name] = bound.submit(**parameters, wait_for=needs)
    return futures


def _may_help(task: Any, run: Any, state: State) -> bool:
    """Whether to try again: not what gallim refused, which stays refused."""
    return state.name != REFUSED


def outcome(futures: dict[str, PrefectFuture]) -> State:
    """Waits for all; Failed, with what failed and why, when a stage did not get through."""
    for future in futures.values():
        future.wait()
    states = {name: future.state for name, future in futures.items()}
    failed = [name for name, found in states.items() if found.is_failed() or found.is_crashed()]
    left = [name for name, found in states.items() if not found.is_completed() and name not in failed]
    if failed or left:
        lines = [f"{name} failed: {states[name].message}" for name in failed]
        lines += [f"not run, as they need what failed: {', '.join(left)}"] if left else []
        return Failed(message="\n".join(lines))
    counts = [f"{sum(found.name == name for found in states.values())} {name}" for name in NAMES.values()]
    if "compare" in futures:  # else what lies there is of another run
        page.show_table()
    return Completed(message=f"{len(states)} stages: {', '.join(counts)}")


def _completed(name: str, how: str) -> State:
    return Completed(name=NAMES[how], message=f"{name}: {how}", data=how)


if __name__ == "__main__":
    from flows import console

    sys.exit(console.main(pipeline))
