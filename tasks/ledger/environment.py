"""What has to stand in a stage's environment before torch, transformers or MLflow are imported."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

PR_SET_PDEATHSIG = 1  # linux/prctl.h
QUIET = {
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TRL_EXPERIMENTAL_SILENCE": "1",
    "TQDM_DISABLE": "1",  # bars redraw themselves: thousands of lines in a log; the journal tells the progress
    "MLFLOW_DISABLE_TELEMETRY": "true",  # MLflow reads DO_NOT_TRACK, but only the word true
    "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "false",
}


def settle(path: Path = Path("params.yaml")) -> None:
    """Threads from compute.threads, no telemetry, no network unless a section names the Hub.

    params.yaml is only glanced at: to validate it is for tasks.parameters, whose imports come after this.
    """
    given = _glance(path)
    os.environ.update(QUIET)
    # TRL asks transformers by an old name, once a step; nothing of ours can change that
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
    threads = _at(given, "compute", "threads")
    if isinstance(threads, int):
        os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
    if not _names_the_hub(given):
        os.environ["HF_HUB_OFFLINE"] = "1"


def die_with_parent() -> None:
    """A killed dvc takes its stage along; else the next dvc starts a second one on the same files."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _glance(path: Path) -> dict[str, Any]:
    try:
        given = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError):
        return {}
    return given if isinstance(given, dict) else {}


def _names_the_hub(given: dict[str, Any]) -> bool:
    return any(_at(section, "source", "kind") == "hub" for section in given.values())


def _at(given: Any, *names: str) -> Any:
    for name in names:
        given = given.get(name) if isinstance(given, dict) else None
    return given
