"""What a run ran on: Python, the system, the processor, the packages, the threads and the device."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

PROCESSOR = Path("/proc/cpuinfo")
INSTRUCTIONS = (
    "avx",
    "avx2",
    "fma",
    "avx512f",
    "avx512_bf16",
    "amx_tile",
    "neon",
    "sve",
)  # that kernels are chosen by
# a difference in one of these can change a number; in another package hardly
NUMERIC = (
    "torch",
    "numpy",
    "transformers",
    "trl",
    "peft",
    "accelerate",
    "tokenizers",
    "safetensors",
    "datasets",
)
NUMERIC += ("pyarrow", "scipy", "kiwipiepy", "kiwipiepy_model", "rouge-score", "sacrebleu", "datasketch")


def described(compute: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values; compute: that section of params.yaml, as far as there is one. No host name and no user."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "processor": _processor("model name") or platform.processor() or "unknown",
        "instructions": _instructions(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": {name: compute[name] for name in ("threads", "trunk_threads") if name in compute},
        "device": compute.get("device"),
        "dtype": compute.get("dtype"),
        "packages": packages(),
    }


def packages() -> dict[str, str]:
    """Name -> version of everything that is installed."""
    found = {str(one.metadata["Name"]): one.version for one in metadata.distributions()}
    return {name: found[name] for name in sorted(found, key=str.lower)}


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In which the machine is another one, a line each, what can change a number first; empty for the same."""
    plain = [name for name in sorted(then.keys() | now.keys()) if name != "packages"]
    lines = [
        f"{name}: {_shown(then.get(name))} then, {_shown(now.get(name))} now"
        for name in plain
        if then.get(name) != now.get(name)
    ]
    old, new = then.get("packages", {}), now.get("packages", {})
    changed = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    numeric = [name for name in changed if name in NUMERIC]
    lines += [f"{name}: {old.get(name, 'none')} then, {new.get(name, 'none')} now" for name in numeric]
    others = len(changed) - len(numeric)
    return lines + ([f"{others} other packages have other versions"] if others else [])


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {one}" for name, one in value.items()) or "unknown"
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    return "unknown" if value is None else str(value)


def _instructions() -> list[str]:
    known = set((_processor("flags") or _processor("Features") or "").split())
    return [name for name in INSTRUCTIONS if name in known]


def _processor(name: str) -> str | None:
    """The first line of this name in /proc/cpuinfo."""
    try:
        lines = PROCESSOR.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None
