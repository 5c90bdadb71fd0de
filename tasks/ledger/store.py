"""The MLflow store: one sqlite file, whole or not there, and the experiment `gallim` in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.ledger import lock, state
from tasks.redaction import redacted

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "gallim"
KIND = {"mlflow.experimentKind": "custom_model_development"}  # else its pages take a run for that of an agent

# MLflow's defaults are 7 retries with doubling pauses and 120 s a request: minutes for a store that is away
PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
SILENCE = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "false"}


def uri() -> str:
    """MLFLOW_TRACKING_URI where the user set one, else an absolute sqlite path (MLflow's own: the cwd)."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{database()}"


def database() -> Path:
    return state.root() / "mlflow" / "mlflow.db"


def shown() -> str:
    """The store's address without the password that it may carry."""
    return redacted(uri())


def opened() -> tuple[MlflowClient, str]:
    """A client and the experiment's id. Takes seconds, and raises whatever MLflow raises."""
    _silence()
    if (path := _file()) is not None:
        # the user's own keeps its artifacts where MLflow would
        _create_once(path, path.parent / "artifacts" if path == database() else None)
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri())
    found = client.get_experiment_by_name(EXPERIMENT)
    return client, found.experiment_id if found else _experiment(client, None)


def _file() -> Path | None:
    """The sqlite file that the address names, the user's own or ours; None for a server."""
    scheme, _, path = uri().partition(":///")
    path = path.partition("?")[0]
    return Path(path).resolve() if scheme == "sqlite" and path not in ("", ":memory:") else None


def _create_once(path: Path, artifacts: Path | None) -> None:
    """Two processes that create MLflow's database at once break it for good, and so may a kill in the middle.

    So one process creates it under another name, and the finished file is renamed into place.
    """
    with lock.held(state.folder("locks") / "mlflow"):
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        # another process: an open sqlite connection must not see its file renamed
        command = [
            sys.executable,
            "-m",
            "tasks.ledger.store",
            str(fresh),
            *([str(artifacts)] if artifacts else []),
        ]
        made = subprocess.run(command, capture_output=True, text=True, env=_importable())
        if made.returncode:
            raise RuntimeError(f"MLflow could not create {path}: {redacted(made.stderr.strip())[-500:]}")
        os.replace(fresh, path)


def _experiment(client: MlflowClient, artifacts: str | None) -> str:
    from mlflow.exceptions import MlflowException

    try:
        return client.create_experiment(EXPERIMENT, artifact_location=artifacts, tags=KIND)
    except MlflowException:  # another process was faster
        found = client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            raise
        return found.experiment_id


def _silence() -> None:
    os.environ.update(SILENCE)
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)


def _importable() -> dict[str, str]:
    """This process's environment, with the folder that holds `tasks` on the path."""
    home = str(Path(__file__).resolve().parents[2])
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([home, *filter(None, [os.environ.get("PYTHONPATH")])]),
    }


def _create(path: str, artifacts: str | None = None) -> None:
    _silence()
    from mlflow import MlflowClient

    place = Path(artifacts).as_uri() if artifacts else None
    _experiment(MlflowClient(tracking_uri=f"sqlite:///{path}"), place)


if __name__ == "__main__":
    _create(*sys.argv[1:])
