"""`make run`: one at a time, and as often as a process likes."""

import signal

import pytest
from prefect.states import Completed, Failed

from flows import console
from tasks.ledger import lock, state


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """What console.main is given to tell, without a server and a flow; the process keeps its signals."""
    monkeypatch.setenv("GALLIM_STATE", str(tmp_path))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    ends = [Completed(message="3 stages"), Failed(message="dpo failed")]
    monkeypatch.setattr(console, "_run", lambda flow: ends.pop(0))
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    yield lambda: console.main(print, lambda final: int(not final.is_completed()))
    for each, handler in before.items():
        signal.signal(each, handler)


def test_a_process_makes_one_comparison_after_another(runs):
    assert [runs(), runs()] == [0, 1]


def test_while_another_is_at_work_nothing_is_run(runs, monkeypatch, capsys):
    monkeypatch.setattr(console, "answers", lambda url: True)  # else the process ends at once
    with lock.held(state.folder("locks") / "pipeline"):
        assert runs() == 2
    assert "make run: another one is at work in this project; wait for it" in capsys.readouterr().err
    assert runs() == 0
