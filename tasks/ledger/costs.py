"""What a stage cost here: time and memory belong to a machine, so they are kept out of what DVC compares."""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Mapping
from typing import Any

from tasks.ledger import held, state


def write(record: str, seconds: float, metrics: Mapping[str, Any], **more: Any) -> None:
    """.state/costs/<record>.json; `more` says which result these are the costs of."""
    costs = {"seconds": round(seconds, 3), **_memory(), "tokens": metrics.get("tokens"), **more}
    path = state.folder("costs") / f"{record}.json"
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(costs, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(fresh, path)


def read(record: str) -> dict[str, Any]:
    """The costs of this record's last run here; empty when it never ran here."""
    try:
        return json.loads((state.root() / "costs" / f"{record}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def of(record: str) -> dict[str, Any]:
    """The costs of the result that is here; empty where it was made elsewhere, or they are of another result."""
    told = read(record)
    return told if told.get("content") in (None, held.content(record)) else {}


def _memory() -> dict[str, Any]:
    """Peaks in bytes: the GPU's where one was used, else what was resident."""
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss counts KiB on Linux
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        peak, device = torch.cuda.max_memory_allocated(), torch.cuda.get_device_name()
    else:
        peak, device = resident, "cpu"
    return {"peak_memory_bytes": peak, "peak_resident_bytes": resident, "device": device}
