"""One stage a GPU, and no more threads at once than there are cores, however the stages were started."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.ledger import lock, state
from tasks.refusal import Refusal

POLL_SECONDS = 0.5
DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA, AMD, WSL
TRUNK = frozenset({"sft", "sample"})  # the graph holds nothing that could run beside them
LAST = frozenset({"evaluate"})  # nothing but the comparison waits for these: they let all others go first
Slots = dict[str, str | None]  # lock's name -> the GPU, or None for a core


def threads(stage: str, compute: Mapping[str, Any]) -> Any:
    """CPU threads of this stage's process, by the section compute as it stands in params.yaml."""
    return compute.get("trunk_threads" if stage in TRUNK else "threads")


@contextmanager
def hold(device: str, threads: int, *, last: bool = False) -> Iterator[str]:
    """Waits for a GPU (`auto`, `cuda`), or for as many cores as threads or all there are; yields `cpu` or `cuda`.

    last: as long as nobody waits who is not.

    A process that gets a GPU sees no other from then on (CUDA_VISIBLE_DEVICES), so this comes before its
    first CUDA call. A Trainer that saw two would split every batch over both and change the numbers.
    """
    slots = all_slots(device)
    needed = min(threads, len(slots)) if None in slots.values() else 1
    queue, waiting, told = state.folder("locks") / "queue", None, False
    while (last and _waited_for(queue)) or len(taken := _free(slots, needed)) < needed:
        if not told:
            print(f"waits: other stages hold {', '.join(slots)}", flush=True)
            told = True
        if not last and waiting is None:
            waiting = lock.take(queue, shared=True)
        time.sleep(POLL_SECONDS)
    if waiting is not None:
        os.close(waiting)
    try:
        gpu = slots[next(iter(taken))]
        if gpu is None:
            yield "cpu"
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = gpu
            yield "cuda"
    finally:
        _give_back(taken)


def _waited_for(queue: Path) -> bool:
    """Whether somebody waits for a slot who shall go first."""
    handle = lock.take(queue)
    if handle is not None:
        os.close(handle)
    return handle is None


def _free(slots: Slots, needed: int) -> dict[str, int]:
    """The `needed` slots, ours now: their names and descriptors; none where there are fewer."""
    folder, taken = state.folder("locks"), {}
    for name in slots:
        handle = lock.take(folder / name) if len(taken) < needed else None
        if handle is not None:
            taken[name] = handle
    if len(taken) < needed:
        _give_back(taken)
        return {}
    return taken


def _give_back(taken: dict[str, int]) -> None:
    for handle in taken.values():
        os.close(handle)


def all_slots(device: str) -> Slots:
    """Every slot that there is on this machine for stages of `device`: auto, cpu or cuda."""
    gpus = _visible_gpus() if device != "cpu" else []
    if gpus:
        return {f"cuda-{gpu}": gpu for gpu in gpus}
    if device == "cuda":
        raise Refusal(
            "params.yaml: compute.device", "cuda is asked for and there is no GPU", "set auto or cpu"
        )
    return {f"cpu-{slot}": None for slot in range(_cpu_slots())}


def _visible_gpus() -> list[str]:
    """As CUDA_VISIBLE_DEVICES names them, or their numbers."""
    if not any(Path(driver).exists() for driver in DRIVERS):
        return []  # known without torch, which a process that may wait for hours has no need of
    import torch

    count = torch.cuda.device_count()  # asks the driver only: CUDA stays closed
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    named = [part.strip() for part in given.split(",")] if given else []
    return named[:count] if len(named) >= count else [str(number) for number in range(count)]


def _cpu_slots() -> int:
    given = os.environ.get("GALLIM_CPU_SLOTS")
    if given is None:
        return _cores()
    if not given.isdecimal() or int(given) < 1:
        raise Refusal("GALLIM_CPU_SLOTS", f"{given!r} is no number of slots", "set 1 or more, or unset it")
    return int(given)


def _cores() -> int:
    """Cores this process may use; a container's quota (cgroup v2) counts, which affinity does not show."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return min(cores, max(1, int(quota) // int(period)))
    except (OSError, ValueError):  # no cgroup v2, or its quota is the word max
        return cores
