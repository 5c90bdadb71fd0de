"""Log-probabilities and rewards of given ids, against one-row forwards and by hand."""

from math import log

import pytest
import torch

from tasks.engine import models
from tasks.engine.groups import Group
from tasks.engine.scoring import Scorer, completion_logps, rewards

ROWS = [
    Group((5, 6, 7), ((8, 9, 1),)),
    Group((40,) * 20, ((9, 1),)),
    Group((300, 200, 100, 50), ((7, 7, 7, 7, 7, 7, 1),)),
    Group((11,), ((1,),)),
]
ALONE, TOGETHER = 1, 4096  # tokens at once


@pytest.fixture
def policy(here):
    return Scorer(models.load_policy(models.SFT, here.parameters.compute))


@pytest.fixture
def reward(here):
    return Scorer(models.load_reward("models/reward-a", here.parameters.compute))


def one_row(model, prompt, completion):
    with torch.no_grad():
        logps = model(torch.tensor([prompt + completion])).logits[0].log_softmax(-1)
    return torch.tensor([logps[len(prompt) + t - 1, token] for t, token in enumerate(completion)])


def test_completion_logps_are_those_of_a_one_row_forward_in_the_rows_order(policy):
    found = completion_logps(policy, ROWS, 12)
    for (prompt, (completion,), _), logps in zip(ROWS, found, strict=True):
        assert logps.shape == (len(completion),)
        assert logps.dtype == torch.float32
        torch.testing.assert_close(logps, one_row(policy.model, prompt, completion), rtol=0, atol=1e-5)


def test_company_changes_no_logp_and_no_reward(policy, reward):
    alone, together = (completion_logps(policy, ROWS, size) for size in (ALONE, TOGETHER))
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)
    one, other = (torch.tensor(rewards(reward, ROWS, size)) for size in (ALONE, TOGETHER))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_a_model_of_uniform_logits_gives_minus_ln_v(policy):
    for weight in policy.model.parameters():
        torch.nn.init.zeros_(weight)
    expected = -log(policy.model.config.vocab_size)
    found = torch.cat(completion_logps(policy, ROWS, TOGETHER)).tolist()
    assert found == pytest.approx([expected] * 13, abs=1e-6)


def test_a_model_against_itself_differs_by_exactly_nothing(here, policy):
    again = Scorer(models.load_policy(models.SFT, here.parameters.compute))
    both = (completion_logps(scorer, ROWS, TOGETHER) for scorer in (policy, again))
    for one, other in zip(*both, strict=True):
        assert torch.equal(one, other)


def test_a_reward_is_read_at_the_rows_last_token(reward):
    model = reward.model
    with torch.no_grad():
        for (prompt, (completion,), _), found in zip(ROWS, rewards(reward, ROWS, TOGETHER), strict=True):
            hidden = model.model(torch.tensor([prompt + completion])).last_hidden_state[0, -1]
            assert found == pytest.approx(model.score(hidden).item(), abs=1e-6)


def test_eos_is_part_of_what_a_reward_model_sees(reward):
    both = Group((5, 6, 7), ((8, 9, 1), (8, 9)))
    with_eos, without = rewards(reward, [both], TOGETHER)
    assert with_eos != without


def test_no_groups_give_no_numbers(policy, reward):
    assert completion_logps(policy, [], TOGETHER) == []
    assert rewards(reward, [], TOGETHER) == []
