"""A slot has one holder, and the kernel frees it however the holder ends."""

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from tasks.ledger import device, lock
from tasks.refusal import Refusal

HOLDER = """
import sys, time
from tasks.ledger.device import hold
with hold("cpu", 1):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GALLIM_STATE", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    monkeypatch.setattr(device, "POLL_SECONDS", 0.02)


def slots(monkeypatch: pytest.MonkeyPatch, count: str) -> None:
    monkeypatch.setenv("GALLIM_CPU_SLOTS", count)


def test_it_waits_for_the_holder_says_so_once_and_gets_it_after_a_kill(monkeypatch, capsys):
    slots(monkeypatch, "1")
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"

    polls = []

    def slept(seconds: float) -> None:
        polls.append(seconds)
        if len(polls) == 3:
            holder.kill()
            holder.wait()

    monkeypatch.setattr(device, "time", types.SimpleNamespace(sleep=slept))
    with device.hold("cpu", 1) as got:
        assert got == "cpu"
    holder.stdout.close()
    assert len(polls) >= 3
    assert capsys.readouterr().out == "waits: other stages hold cpu-0\n"


def test_who_comes_last_lets_all_go_first_who_wait(monkeypatch):
    """An evaluation, for which only the comparison waits, does not take the core that a training waits for."""
    slots(monkeypatch, "1")
    queue = Path(os.environ["GALLIM_STATE"]) / "locks" / "queue"
    with device.hold("cpu", 1, last=True):
        pass
    waiting = [lock.take(queue, shared=True) for _ in range(2)]  # two trainings
    assert None not in waiting
    polls = []

    def slept(seconds: float) -> None:
        polls.append(seconds)
        if len(polls) in (2, 4):
            os.close(waiting.pop())

    monkeypatch.setattr(device, "time", types.SimpleNamespace(sleep=slept))
    with device.hold("cpu", 1):
        pass
    assert not polls  # one who does not come last is not held up
    with device.hold("cpu", 1, last=True):
        assert len(polls) == 4


def test_a_waiting_training_is_in_the_queue_until_it_has_its_slot(monkeypatch):
    slots(monkeypatch, "1")
    queue, seen = Path(os.environ["GALLIM_STATE"]) / "locks" / "queue", []
    first = device.hold("cpu", 1)
    first.__enter__()

    def slept(seconds: float) -> None:
        seen.append(device._waited_for(queue))
        if len(seen) == 3:
            first.__exit__(None, None, None)

    monkeypatch.setattr(device, "time", types.SimpleNamespace(sleep=slept))
    with device.hold("cpu", 1):
        assert seen == [True] * 3
        assert not device._waited_for(queue)


def test_two_slots_have_two_holders(monkeypatch):
    slots(monkeypatch, "2")
    with device.hold("cpu", 1), device.hold("auto", 1) as second:
        assert second == "cpu"


@pytest.mark.parametrize(
    ("first", "second", "waits"), [(1, 2, False), (2, 1, False), (2, 2, True), (99, 1, True)]
)
def test_two_stages_have_no_more_threads_than_there_are_cores(first, second, waits, monkeypatch):
    """Three cores; who asks for more than there are has all of them, and one that waits holds none meanwhile."""
    monkeypatch.delenv("GALLIM_CPU_SLOTS", raising=False)
    monkeypatch.setattr(device, "_cores", lambda: 3)

    def slept(seconds: float) -> None:
        assert waits
        left, every = max(0, 3 - first), device.all_slots("cpu")
        free = device._free(every, left)
        device._give_back(free)
        assert len(free) == left
        assert device._free(every, left + 1) == {}
        raise InterruptedError

    monkeypatch.setattr(device, "time", types.SimpleNamespace(sleep=slept))
    with device.hold("cpu", first):
        if waits:
            with pytest.raises(InterruptedError), device.hold("cpu", second):
                pass
        else:
            with device.hold("cpu", second) as got:
                assert got == "cpu"


def test_slots_that_were_waited_for_are_free_again_after_the_block(monkeypatch):
    slots(monkeypatch, "2")
    for _ in range(2):
        with device.hold("cpu", 2) as got:
            assert got == "cpu"


def test_a_wrong_number_of_slots_is_refused(monkeypatch):
    slots(monkeypatch, "many")
    with pytest.raises(Refusal, match="is no number of slots"), device.hold("cpu", 1):
        pass


def test_cuda_without_a_gpu_is_refused(monkeypatch):
    monkeypatch.setattr(device, "DRIVERS", ())
    with pytest.raises(Refusal, match="there is no GPU"), device.hold("cuda", 1):
        pass


def test_each_gpu_has_one_holder_who_sees_no_other(monkeypatch):
    cuda = types.SimpleNamespace(device_count=lambda: 2)
    monkeypatch.setattr(device, "DRIVERS", ("/",))
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=cuda))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    with device.hold("cuda", 1) as first:
        assert (first, os.environ["CUDA_VISIBLE_DEVICES"]) == ("cuda", "2")
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")  # as another process has it
        with device.hold("auto", 1):
            assert os.environ["CUDA_VISIBLE_DEVICES"] == "5"
