"""What has to stand in a stage's environment before torch, transformers or MLflow are imported."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

from tasks.ledger import device
from tasks.plain_yaml import loaded
from tasks.refusal import Refusal

PR_SET_PDEATHSIG = 1  # linux/prctl.h
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
QUIET = {
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TRL_EXPERIMENTAL_SILENCE": "1",
    "TQDM_DISABLE": "1",  # bars redraw themselves: thousands of lines in a log; the journal tells the progress
    "MLFLOW_DISABLE_TELEMETRY": "true",  # MLflow reads DO_NOT_TRACK, but only the word true
    "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "false",
}


def settle(stage: str, path: Path = Path("params.yaml")) -> None:
    """The stage's threads from compute, no telemetry, no network unless a section names the Hub.

    params.yaml is only glanced at: to validate it is for tasks.parameters, whose imports come after this.
    """
    given = _glance(path)
    os.environ.update(QUIET)
    # TRL asks transformers by an old name, once a step; nothing of ours can change that
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
    compute = _at(given, "compute")
    threads = device.threads(stage, compute) if isinstance(compute, dict) else None
    if isinstance(threads, int):
        os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
        os.environ["MKL_DYNAMIC"] = "FALSE"  # else fewer on a machine with fewer cores, and other sums
    _keep_memory()
    if not _names_the_hub(given):
        os.environ["HF_HUB_OFFLINE"] = "1"


def _keep_memory() -> None:
    """glibc would give every tensor of some MiB back to the system at once, and fetch and clear its pages anew."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it, others need not
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def die_with_parent() -> None:
    """A killed dvc takes its stage along; else the next dvc starts a second one on the same files."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _glance(path: Path) -> dict[str, Any]:
    try:
        given = loaded(path.read_text(encoding="utf-8"), str(path))
    except (OSError, ValueError, Refusal):
        return {}
    return given if isinstance(given, dict) else {}


def _names_the_hub(given: dict[str, Any]) -> bool:
    return any(_at(section, "source", "kind") == "hub" for section in given.values())


def _at(given: Any, *names: str) -> Any:
    for name in names:
        given = given.get(name) if isinstance(given, dict) else None
    return given
