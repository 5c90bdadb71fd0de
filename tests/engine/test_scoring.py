"""Log-probabilities and rewards of given ids, against one-row forwards and by hand."""

from math import log

import pytest
import torch

from tasks.engine import models
from tasks.engine.scoring import completion_logps, rewards

ROWS = [
    ([5, 6, 7], [8, 9, 1]),
    ([40] * 20, [9, 1]),
    ([300, 200, 100, 50], [7, 7, 7, 7, 7, 7, 1]),
    ([11], [1]),
]


@pytest.fixture
def policy(here):
    return models.load_policy(models.SFT, here.parameters.compute)


@pytest.fixture
def scorer(here):
    return models.load_reward("models/reward-a", here.parameters.compute)


def one_row(model, prompt, completion):
    with torch.no_grad():
        logps = model(torch.tensor([prompt + completion])).logits[0].log_softmax(-1)
    return torch.tensor([logps[len(prompt) + t - 1, token] for t, token in enumerate(completion)])


def test_completion_logps_are_those_of_a_one_row_forward_in_the_rows_order(policy):
    found = completion_logps(policy, ROWS, batch_size=3)
    for (prompt, completion), logps in zip(ROWS, found, strict=True):
        assert logps.shape == (len(completion),)
        assert logps.dtype == torch.float32
        torch.testing.assert_close(logps, one_row(policy, prompt, completion), rtol=0, atol=1e-5)


def test_padding_changes_no_logp_and_no_reward(policy, scorer):
    alone, together = (completion_logps(policy, ROWS, size) for size in (1, 4))
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)
    torch.testing.assert_close(
        torch.tensor(rewards(scorer, ROWS, 1)), torch.tensor(rewards(scorer, ROWS, 4)), rtol=0, atol=1e-6
    )


def test_a_model_of_uniform_logits_gives_minus_ln_v(policy):
    for weight in policy.parameters():
        torch.nn.init.zeros_(weight)
    expected = -log(policy.config.vocab_size)
    assert torch.cat(completion_logps(policy, ROWS, 4)).tolist() == pytest.approx([expected] * 13, abs=1e-6)


def test_a_model_against_itself_differs_by_exactly_nothing(here, policy):
    again = models.load_policy(models.SFT, here.parameters.compute)
    for one, other in zip(completion_logps(policy, ROWS, 4), completion_logps(again, ROWS, 4), strict=True):
        assert torch.equal(one, other)


def test_a_reward_is_read_at_the_rows_last_token(scorer):
    with torch.no_grad():
        for (prompt, completion), reward in zip(ROWS, rewards(scorer, ROWS, 4), strict=True):
            hidden = scorer.model(torch.tensor([prompt + completion])).last_hidden_state[0, -1]
            assert reward == pytest.approx(scorer.score(hidden).item(), abs=1e-6)


def test_eos_is_part_of_what_a_reward_model_sees(scorer):
    with_eos, without = rewards(scorer, [([5, 6, 7], [8, 9, 1]), ([5, 6, 7], [8, 9])], 2)
    assert with_eos != without


def test_scoring_switches_dropout_off(here, policy):
    policy.config.attention_dropout = 0.5
    for layer in policy.model.layers:
        layer.self_attn.attention_dropout = 0.5
    policy.train()
    one, other = completion_logps(policy, ROWS, 4), completion_logps(policy, ROWS, 4)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_no_rows_give_no_numbers(policy, scorer):
    assert completion_logps(policy, [], 4) == []
    assert rewards(scorer, [], 4) == []
