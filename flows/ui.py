"""`make ui`: Prefect's pages and the worker behind their Run button, and MLflow's, on this machine alone."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from flows import local, scores
from flows.service import Service
from tasks.ledger import state, store
from tasks.refusal import Refusal

NAME, WORKER = "make ui", "worker"
MLFLOW_PORT = 5000  # MLflow's own; the next free one where it is taken
# no jobs: seven more processes, for judging by language models; no word to its makers
PLAIN = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
RUNS_AT_ONCE = 4  # flow runs; their stages share the machine's slots whatever their number
POLL_SECONDS = "2"  # from the button to the run's start; Prefect's own 10 feel like nothing happens
PATIENCE_SECONDS = 30.0  # a service that dies sooner than this three times in a row is not started again


def main() -> int:
    """Runs until Ctrl-C; 0 then, or when another `make ui` is at work, 2 when it cannot begin."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGHUP, _stop)  # its terminal is closed
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # what a shell puts behind `&` is born deaf to it
    try:
        _require_main_tree()
        other = local.settle(NAME, local.PORT)
        return _already(other) if other else _serve()
    except Refusal as refusal:
        print(f"gallim: {refusal}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0


def _require_main_tree() -> None:
    """A Refusal unless this folder is a git repository's own, as runs take their worktrees from it."""
    asked = subprocess.run(["git", "rev-parse", "--show-toplevel"], capture_output=True, text=True)
    top = Path(asked.stdout.strip()) if asked.returncode == 0 else None
    if top is None or top.resolve() != Path.cwd().resolve() or state.main_tree() != Path.cwd():
        place, cure = str(Path.cwd()), "start it in the repository's first folder"
        raise Refusal(place, "is not the top of a git repository's main working tree", cure)


def links() -> dict[str, str]:
    """`prefect` and `mlflow` -> the address of their pages, as the last `make ui` wrote them."""
    try:
        return json.loads(_links().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def _links() -> Path:
    return state.folder("prefect") / "links.json"


def _already(other: str) -> int:
    if other != NAME:
        place, cure = f"Prefect at {local.page()}", "watch it there, and start this when it is done"
        raise Refusal(place, f"`{other}` is using it", cure)
    print("`make ui` is already at work:")
    _show(links() or {"prefect": local.page(), "mlflow": "(is just being started)"})
    return 0


def _serve() -> int:
    print("starting Prefect and MLflow ...", flush=True)
    _links().unlink(missing_ok=True)  # of one that was killed
    services = [local.server()]
    addresses = {"prefect": local.page()}
    if os.environ.get("MLFLOW_TRACKING_URI"):
        addresses["mlflow"] = store.shown()
    else:
        port = local.free_port(MLFLOW_PORT)
        services.append(_mlflow(port))
        addresses["mlflow"] = f"http://{local.HOST}:{port}"
    try:
        scores.track().wait()  # makes MLflow's database, too
        for one in services:
            one.start()
        for one in services:
            one.wait()
        _links().write_text(json.dumps(addresses), encoding="utf-8")
        _registered()
        _end_orphans()
        services.append(_worker())
        services[-1].start()
        _show(addresses)
        _watch(services)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("\nstopping ...", flush=True)
        _links().unlink(missing_ok=True)
        for one in reversed(services):  # the worker first: the server has to hear of its runs
            one.stop()
            if one.name == WORKER:
                _end_orphans()
    return 0


def _registered() -> None:
    """The form, as HEAD has it; without it the pages still show every run."""
    subprocess.run([sys.executable, "-m", "flows.deploy"])


def _end_orphans() -> None:
    """Runs that a dead worker left behind, while there is none."""
    subprocess.run([sys.executable, "-m", "flows.orphans"])


def _mlflow(port: int) -> Service:
    words = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store.uri()]
    words += ["--default-artifact-root", (store.database().parent / "artifacts").as_uri()]
    words += ["--host", local.HOST, "--port", str(port), "--workers", "1"]
    return Service("mlflow-server", words, f"http://{local.HOST}:{port}/health", PLAIN)


def _worker() -> Service:
    from flows.deploy import POOL

    words = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process"]
    words += ["--name", "gallim", "--limit", str(RUNS_AT_ONCE)]
    return Service(WORKER, words, settings={"PREFECT_WORKER_QUERY_SECONDS": POLL_SECONDS})


def _watch(services: list[Service]) -> None:
    """Starts again what dies, until it dies too often."""
    deaths = {one.name: [-PATIENCE_SECONDS] for one in services}
    while True:
        time.sleep(1.0)
        for one in services:
            if one.alive():
                continue
            recent = [*deaths[one.name][-2:], time.monotonic()]
            deaths[one.name] = recent
            if len(recent) == 3 and recent[-1] - recent[0] < PATIENCE_SECONDS:
                raise Refusal(one.name, "dies again and again", f"read {one.log}")
            print(f"{one.name} died; starting it again (its log: {one.log})", flush=True)
            if one.name == WORKER:
                _end_orphans()
            one.start()


def _show(addresses: dict[str, str]) -> None:
    print(f"Prefect: {addresses['prefect']}/deployments  (gallim: Run, Custom run)")
    print(f"MLflow:  {scores.page_at(addresses['mlflow'])}")
    print("Ctrl-C stops them; a run at work is stopped too, and can be retried from its page.", flush=True)


def _stop(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
