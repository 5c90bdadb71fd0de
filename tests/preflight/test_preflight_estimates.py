"""Estimates by hand, and what they are held against afterwards."""

import json
from pathlib import Path

import pytest

from tasks.ledger.plan import Plan, Planned
from tasks.ledger.target import Target
from tasks.preflight import estimate, hindsight, machine, work
from tasks.preflight.estimate import Estimate
from tasks.preflight.work import Sizes

SIZE = Sizes(
    1000, 50, 100, {"a": 600, "a_holdout": 60, "b": 200, "b_holdout": 20}, prompt=100.0, summary=20.0
)
DPO, RLOO = Target("align", "pairs", "dpo", 0), Target("align", "online", "rloo", 0)
GIB = 2**30


def one(record: str, seconds: float = 10.0, memory: int = GIB, disk: int = GIB) -> Estimate:
    return Estimate(record, seconds, memory, disk, "by hand")


def plan(*targets: Target, copies: int = 1) -> Plan:
    return Plan(tuple(Planned(each.record, each, (), True, None) for each in targets), copies)


def test_stages_follow_one_another_as_their_needs_and_the_cores_allow():
    chain = {"a": ((), 1.0), "b": (("a",), 2.0), "c": (("a",), 3.0), "d": (("b", "c"), 1.0)}
    one_each = dict.fromkeys(chain, 1)
    assert machine.scheduled(chain, one_each, 2) == 5.0  # a, then b beside c, then d
    assert machine.scheduled(chain, one_each, 1) == 7.0
    assert machine.scheduled(chain, {**one_each, "c": 2}, 2) == 7.0  # c wants both cores, so b runs before it
    assert (
        machine.scheduled({"x": (("away",), 2.0)}, {"x": 4}, 2) == 2.0
    )  # current needs, more threads than cores
    assert machine.scheduled({}, {}, 2) == 0.0


def test_the_tokens_of_a_branch_by_hand(fresh):
    seen = fresh.seen()
    dpo, rloo = work.of(DPO, seen, SIZE), work.of(RLOO, seen, SIZE)
    assert dpo.train == 36 * 32 * (100 + 2 * 20)  # steps, rows, prompt and both sides
    assert (dpo.score, dpo.draw, dpo.kept) == (0, 0, 3)  # the cache has the reference; two snapshots
    # 24 steps of 64 completions, four a prompt: each scored by reward and reference, then trained on
    assert rloo.draw == 24 * 64 * 20
    assert rloo.train == 24 * 64 * (100 / 4 + 20)
    assert rloo.score == 2 * rloo.train
    assert work.of(Target("references"), seen, SIZE).score == 600 * 140


def test_before_pairs_are_made_there_is_one_a_document_at_most(fresh):
    counted = work._pairs(fresh.seen(), 1000)  # fold b: a quarter; a tenth of each is held out
    assert counted == {"a": 675, "a_holdout": 75, "b": 225, "b_holdout": 25}


@pytest.mark.parametrize(
    ("memory", "total", "free", "level"), [(1, 8, 8, "note"), (3, 8, 5, "warning"), (9, 8, 8, "failure")]
)
def test_memory_is_held_against_the_machines(memory, total, free, level, fresh, monkeypatch):
    monkeypatch.setattr(machine, "memory", lambda: (total * GIB, free * GIB))
    monkeypatch.setenv("GALLIM_CPU_SLOTS", "2")
    every = [one("a", memory=memory * GIB), one("b", memory=memory * GIB)]
    [told] = estimate._memory(fresh.seen(plan(DPO, RLOO)), list(plan(DPO, RLOO).stages), every)
    assert told.level == level
    assert told.numbers["together_bytes"] == 2 * memory * GIB


@pytest.mark.parametrize(("free", "level"), [(30, "note"), (21, "warning"), (19, "failure")])
def test_disk_counts_what_the_cache_copies(free, level, fresh, monkeypatch):
    monkeypatch.setattr(machine, "disk", lambda folder: free * GIB)
    [told] = estimate._disk(fresh.seen(plan(DPO, copies=2)), [one("a", disk=10 * GIB)])
    assert (told.level, told.numbers["wanted_bytes"]) == (level, 20 * GIB)


def cost(record: str, seconds: float, started: int) -> None:
    path = Path(f".state/costs/{record}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {"seconds": seconds, "started": started, "peak_resident_bytes": 2 * GIB}
    path.write_text(json.dumps(told), encoding="utf-8")


def test_after_a_run_the_estimates_error_is_told_of_what_ran_since(fresh, monkeypatch):
    monkeypatch.setattr(hindsight.time, "time", lambda: 1000.0)
    hindsight.keep([one("a", 10.0), one("b", 30.0), one("old", 5.0)])
    assert list(hindsight.errors()) == []
    cost("a", 20.0, started=1_000_001)
    cost("b", 20.0, started=1_000_001)
    cost("old", 5.0, started=999_999)  # ran before
    [told] = hindsight.errors()
    assert set(told.numbers["stages"]) == {"a", "b"}
    assert (told.numbers["estimated"], told.numbers["took"]) == (40.0, 40.0)
    # both are off by half of 20 s, and hold 2 GiB where 1 was estimated
    assert (
        "took 40 s, estimated were 40 s (+0%); half of them were within 50% in time and 50% in memory"
        in told.cause
    )


def test_a_stage_that_ran_here_before_is_estimated_by_that(fresh):
    made = one("align-dpo-0", 999.0)
    planned = Planned("align-pairs@dpo-0", DPO, (), True, None)
    assert estimate._remembered(planned, made) == made
    cost("align-dpo-1", 30.0, started=1)
    cost("align-dpo-2", 50.0, started=1)
    assert estimate._remembered(planned, made)[1:] == (40.0, 2 * GIB, GIB, "its other seeds here")
    cost("align-dpo-0", 44.0, started=1)
    assert estimate._remembered(planned, made)[1:] == (44.0, 2 * GIB, GIB, "its last run here")


def test_on_a_gpu_there_is_no_time_before_a_first_run_and_its_own_memory_counts(fresh, monkeypatch):
    monkeypatch.setattr(estimate.device, "all_slots", lambda device: {"cuda-0": "0", "cuda-1": "1"})
    monkeypatch.setattr(machine, "gpu_memory", lambda: (3 * GIB, 3 * GIB))
    seen, due = fresh.seen(plan(DPO, RLOO)), list(plan(DPO, RLOO).stages)
    every = [one("a", memory=2 * GIB), one("b", memory=2 * GIB)]
    assert [told.level for told in estimate._time(seen, due, every)] == ["not yet"]
    known = [each._replace(how="its last run here") for each in every]
    assert [told.level for told in estimate._time(seen, due, known)] == ["note", "note"]
    assert [told.level for told in estimate._memory(seen, due, every)] == [
        "note"
    ]  # each has a GPU of its own
