"""The progress line of a stage's page."""

from types import SimpleNamespace

import pytest

from flows import page


@pytest.fixture
def shown(monkeypatch):
    said, clock = [], iter(range(0, 1000, 10))
    monkeypatch.setattr(page, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(
        page, "create_progress_artifact", lambda share, description: said.append((share, description))
    )
    monkeypatch.setattr(
        page, "update_progress_artifact", lambda _, share, description: said.append((share, description))
    )
    return said


def test_progress_says_step_loss_and_the_time_that_is_left(shown):
    progress = page.Progress("sft")
    for step in (5, 10, 20):
        progress.show({"step": step, "of": 20, "loss": 1 / step, "null": None})
    assert shown == [
        (25.0, "sft: step 5 of 20, loss 0.2"),
        (50.0, "sft: step 10 of 20, loss 0.1, about 20 s left"),
        (100.0, "sft: step 20 of 20, loss 0.05"),
    ]


def test_progress_that_comes_fast_is_thinned_but_for_its_end(shown, monkeypatch):
    monkeypatch.setattr(page, "time", SimpleNamespace(monotonic=lambda: 0.0))
    progress = page.Progress("sft")
    for step in range(1, 21):
        progress.show({"step": step, "of": 20})
    assert [share for share, _ in shown] == [5.0, 100.0]
