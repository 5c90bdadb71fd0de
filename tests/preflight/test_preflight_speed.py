"""How quick the machine is with a model, in order and without a figure that a busy machine could break."""

import torch

from tasks.preflight import speed
from tasks.preflight.speed import Speed


def test_training_costs_more_than_scoring_and_the_threads_are_as_before(fresh):
    torch.set_num_threads(1)
    found = speed.measured(fresh.seen())
    assert found.train > found.score > 0
    assert found.draw >= 0
    assert torch.get_num_threads() == 1


def test_a_large_model_is_counted_by_its_operations():
    small, large = speed._computed(10**6), speed._computed(10**9)
    assert large.train > 100 * small.train  # a thousand times, were the two measured at once
    assert small.train == 3 * small.score
    assert "GFLOP/s" in small.how


def test_a_second_thread_adds_half_of_the_firsts_work():
    assert speed.by(2, Speed(3.0, 1.5, 6.0, "told")) == Speed(2.0, 1.0, 4.0, "told")
    assert speed.by(1, Speed(3.0, 1.5, 6.0, "told")) == Speed(3.0, 1.5, 6.0, "told")
