"""MetaRM's spread and step: by hand, at their limits, and through the trainer."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from tasks.engine import training
from tasks.engine.lookahead import LookingAhead, ahead, candidates, gradients, spread
from tasks.engine.reward_objectives import BradleyTerry
from tasks.engine.scoring import Scorer
from tasks.refusal import Refusal


@pytest.mark.parametrize(("count", "value"), [(2, 0.25), (4, 0.375), (8, 0.4375)])
def test_equal_rewards_have_a_spread_of_k_less_1_over_2_k(count, value):
    assert spread(torch.full((3, count), 1.5)).tolist() == pytest.approx([value] * 3)


def test_rewards_far_apart_come_near_to_k_less_1_over_k():
    assert spread(torch.tensor([[0.0, 1e3, -1e3, 5e3]])).item() == pytest.approx(3 / 4)


def test_the_spread_by_hand():
    """2 / 9 of sigmoid(1) + sigmoid(3) + sigmoid(2)."""
    by_hand = 2 / 9 * (0.7310586 + 0.9525741 + 0.8807971)
    assert spread(torch.tensor([[0.0, 1.0, 3.0]])).item() == pytest.approx(by_hand)


def test_a_constant_and_the_order_make_no_difference():
    rewards = torch.tensor([[0.3, -1.0, 2.0, 0.0]])
    assert spread(rewards + 7).item() == pytest.approx(spread(rewards).item())
    assert spread(rewards[:, [2, 0, 3, 1]]).item() == pytest.approx(spread(rewards).item())


# ---- a step ahead ---------------------------------------------------------------------------------------------------


@pytest.fixture
def scorer(build):
    return Scorer(build("llama", reward=True))


def mean_spread(scorer, fresh):
    cut = scorer.rewards(fresh).split([len(group.completions) for group in fresh])
    return torch.stack([spread(rewards_K[None])[0] for rewards_K in cut]).mean()


def test_ahead_the_weights_are_one_step_up_the_spread_and_then_what_they_were(scorer, ragged):
    fresh, free = ragged(3), list(scorer.model.parameters())
    before = [weight.detach().clone() for weight in free]
    rise = torch.autograd.grad(mean_spread(scorer, fresh), free, materialize_grads=True)
    low = mean_spread(scorer, fresh).item()
    with ahead(scorer, fresh, 0.1, 4096):
        for weight, own, up in zip(free, before, rise, strict=True):
            torch.testing.assert_close(weight, own + 0.1 * up)
        assert mean_spread(scorer, fresh).item() > low
    assert all(torch.equal(weight, own) for weight, own in zip(free, before, strict=True))


def test_the_weights_come_back_after_an_error(scorer, ragged):
    before = [weight.detach().clone() for weight in scorer.model.parameters()]
    with pytest.raises(RuntimeError, match="out of memory"), ahead(scorer, ragged(2), 0.1, 4096):
        raise RuntimeError("out of memory")
    assert all(map(torch.equal, scorer.model.parameters(), before))


def test_the_gradient_does_not_depend_on_how_the_groups_are_packed(scorer, ragged):
    free = list(scorer.model.parameters())
    whole, parts = (gradients(scorer, ragged(3), free, at_once) for at_once in (4096, 30))
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


@pytest.fixture
def trainer(build, ragged, walk, machine, tokenizer, tmp_path):
    """A function from eta to a trainer of four pairs, each with candidates, and the gradient of its first step."""

    def made(eta):
        rows = [pair._replace(meta=some) for pair, some in zip(ragged(2), ragged(3, seed=1), strict=True)]
        common = training.arguments(walk(), machine(), 0, tmp_path)
        model = build("llama", reward=True)
        found = LookingAhead(
            *(model, BradleyTerry(0.01), rows, common, walk(), machine(), tokenizer),
            eta=eta,
            dropout=False,
            task="SEQ_CLS",
        )
        found.create_optimizer_and_scheduler(1)
        found.training_step(found.model, found.data_collator([(0, rows[0])]), 1)
        return rows[0], [weight.grad for weight in found.model.parameters()]

    return made


def by_hand(model, pair, scorer):
    loss = BradleyTerry(0.01).losses(scorer, [pair]).items.sum()
    return torch.autograd.grad(loss, list(model.parameters()), materialize_grads=True)


@pytest.mark.parametrize("eta", [0.0, 0.5])
def test_the_trainers_gradient_is_of_the_loss_where_the_step_leads(eta, trainer, build):
    pair, gradient = trainer(eta)
    model = build("llama", reward=True)  # the same weights anew
    scorer = Scorer(model)
    with ahead(scorer, [pair.meta], eta, 4096):
        expected = by_hand(model, pair, scorer)
    for one, other in zip(gradient, expected, strict=True):
        torch.testing.assert_close(torch.zeros_like(other) if one is None else one, other, rtol=0, atol=1e-6)
    at_home = by_hand(model, pair, scorer)
    if eta:  # and it is another one than at the weights themselves
        assert any((one - two).abs().max() > 1e-3 for one, two in zip(expected, at_home, strict=True))


# ---- whose summaries ------------------------------------------------------------------------------------------------


def sampled(path, *rows):
    pq.write_table(
        pa.Table.from_pylist([dict(zip(("id", "completion", "ended"), row, strict=True)) for row in rows]),
        path,
    )
    return path


def test_candidates_are_the_different_whole_summaries_of_the_pairs_document(tokenizer, tmp_path):
    rows = [("x", "w5", True), ("x", "w6", False), ("x", "w5", True), ("x", "w7 w8", True), ("y", "w9", True)]
    (group,) = candidates(
        [{"id": "x", "prompt": "w3"}], tokenizer, sampled(tmp_path / "samples.parquet", *rows)
    )
    eos = tokenizer.eos_token_id
    assert group.completions == ((5, eos), (7, 8, eos))


def test_a_pair_without_two_candidates_is_refused(tokenizer, tmp_path):
    path = sampled(tmp_path / "samples.parquet", ("x", "w5", True), ("x", "w6", False))
    with pytest.raises(Refusal, match=r"reward.source.objective: the pair 'x' has no two candidates"):
        candidates([{"id": "x", "prompt": "w3"}], tokenizer, path)
