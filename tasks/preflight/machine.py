"""What this machine has: memory, room on disk, cores; and how stages would follow one another on it."""

from __future__ import annotations

import resource
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

STARTED = 6.0  # seconds that a stage's process needs to import torch, transformers and peft

MEMINFO, CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def resident() -> int:
    """The most bytes that this process has held so far: about a stage's after its imports."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def memory() -> tuple[int, int]:
    """Bytes in all, and those that are free; a container's limit (cgroup v2) counts."""
    try:
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text(encoding="ascii").splitlines())
        total, free = (int(lines[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError, ValueError):  # no Linux
        return 2**63, 2**63
    try:
        limit = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text())
        return min(total, limit), min(free, max(0, limit - used))
    except (OSError, ValueError):  # no cgroup v2, or its limit is the word max
        return total, free


def gpu_memory() -> tuple[int, int]:
    """Bytes of the first GPU in all, which are taken for free: a stage has it alone."""
    import torch

    total = torch.cuda.get_device_properties(0).total_memory
    return total, total


def disk(folder: Path) -> int:
    """Bytes that are free where the project lies."""
    return shutil.disk_usage(folder).free


def scheduled(
    stages: Mapping[str, tuple[tuple[str, ...], float]], threads: Mapping[str, int], slots: int
) -> float:
    """Seconds until the last of these stages (needs, seconds) ends, each taking its threads of so many slots.

    A stage begins as soon as what it needs has ended and there is room, in the order given.
    """
    now, running, left, ended = 0.0, {}, dict(stages), set()
    while left or running:
        free = slots - sum(min(threads[name], slots) for name in running)
        for name, (needs, seconds) in list(left.items()):
            ready = all(need in ended or need not in stages for need in needs)
            if ready and min(threads[name], slots) <= free:
                free -= min(threads[name], slots)
                running[name] = now + seconds
                del left[name]
        first = min(running, key=lambda name: running[name])
        now = running.pop(first)
        ended.add(first)
    return now
