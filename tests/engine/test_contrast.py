"""Contrastive losses of representations: by hand, at their limits, and what they refuse."""

from math import exp, log

import pytest
import torch

from tasks.engine.contrast import assigned, both_ways, simcse, swav

EYE = torch.eye(4)


def close(found, expected):
    torch.testing.assert_close(found, torch.as_tensor(expected), rtol=0, atol=1e-5)


def test_rows_that_are_all_alike_cost_the_log_of_their_number():
    rows = torch.ones(5, 3)
    close(simcse(rows, 2 * rows, 0.05), [log(5)] * 5)


def test_rows_at_right_angles_are_told_apart_as_the_temperature_says():
    for temperature in (1.0, 0.5):
        by_hand = log(1 + 3 * exp(-1 / temperature))  # a cosine of 1 against three of 0
        close(simcse(EYE, 2 * EYE, temperature), [by_hand] * 4)


def test_a_rows_length_makes_no_difference():
    one, other = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(0))
    close(simcse(one * torch.arange(1.0, 7.0)[:, None], other, 0.1), simcse(one, other, 0.1))


def test_second_passes_of_other_rows_cost_more():
    assert (simcse(EYE, 2 * EYE.roll(1, 0), 0.5) > simcse(EYE, 2 * EYE, 0.5)).all()


def test_two_passes_without_dropout_are_an_error():
    with pytest.raises(ValueError, match="switch dropout on"):
        simcse(EYE, EYE.clone(), 0.05)


def test_with_dropout_two_passes_of_a_net_differ_and_their_loss_is_learned():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Dropout(0.1))
    rows = torch.randn(6, 8)
    simcse(net(rows), net(rows), 0.5).mean().backward()
    assert net[0].weight.grad.abs().sum() > 0
    with pytest.raises(ValueError, match="switch dropout on"):
        simcse(net.eval()(rows), net(rows), 0.5)


def test_differences_stand_there_both_ways():
    found = both_ways(torch.tensor([[3.0, 1.0]]), torch.tensor([[1.0, 2.0]]))
    assert found.tolist() == [[2, -1], [-2, 1]]


def test_rows_that_no_prototype_is_nearer_to_cost_the_log_of_their_number():
    prototypes = torch.eye(6)[:3]
    rows = torch.eye(6)[3:]  # at right angles to all of them
    close(swav(rows, 2 * rows, prototypes, 0.1, 0.05), [log(3)] * 3)


def test_an_assignments_rows_sum_to_1_and_every_prototype_gets_its_share():
    scores = torch.randn(12, 4, generator=torch.Generator().manual_seed(1))
    found = assigned(scores, 1.0)
    close(found.sum(1), torch.ones(12))
    torch.testing.assert_close(found.sum(0), torch.full((4,), 3.0), rtol=0, atol=0.05)


def test_passes_that_agree_cost_less_than_passes_that_do_not():
    args = EYE, 0.5, 0.05
    assert (swav(EYE, 2 * EYE, *args) < swav(EYE, 2 * EYE.roll(1, 0), *args)).all()


def test_extreme_scores_have_finite_assignments():
    found = assigned(torch.tensor([[1e4, -1e4], [-1e4, 1e4]]), 0.05)
    close(found, torch.eye(2))
