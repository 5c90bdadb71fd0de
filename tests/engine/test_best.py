"""The best family: what a step learns, and that a training that was cut off ends in the same bits."""

import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from tasks import methods
from tasks.engine.families import best
from tasks.engine.scoring import Scorer
from tasks.engine.training import Job, arguments, fit


@pytest.fixture
def rows():
    return [{"prompt": f"w{30 + p} w{40 + p}", "completion": f"w{50 + p} w{60 + p}"} for p in range(6)]


@pytest.fixture
def train(rows, build, walk, machine, tokenizer, notes, scratch):
    """A function that trains from the last checkpoint; the trained weights, and what every step logged."""
    pq.write_table(pa.Table.from_pylist(rows), scratch / "best.parquet")

    def made():
        walked = walk(steps=5, batch_size=2, gradient_accumulation=2, checkpoint_every=2, learning_rate=1e-3)
        given = {"method": "best_of_n", "best_of": 2, "reward": "model", "optimisation": walked}
        method, compute = methods.load("best_of_n"), machine()
        entry, common = method.Config.model_validate(given), arguments(walked, compute, 0, scratch)
        rows_at = str(scratch / "best.parquet")
        job = Job(method, entry, build("llama"), tokenizer, common, rows_at, None, compute, notes, None)
        trainer = best.trainer(job)
        fit(trainer, notes, scratch)
        weights = {name: weight.clone() for name, weight in trainer.model.named_parameters()}
        return weights, [logged for logged in trainer.state.log_history if "logps/best" in logged]

    return made


def test_a_group_is_a_prompt_and_its_best_with_its_end(rows, tokenizer):
    found = best.groups(tokenizer, rows[:2])
    assert [tuple(group[:2]) for group in found] == [
        ((30, 40), ((50, 60, 1),)),
        ((31, 41), ((51, 61, 1),)),
    ]


def test_the_loss_is_minus_the_log_probability_of_the_whole_summary(rows, tokenizer, build, one_by_one):
    data, model = best.groups(tokenizer, rows), build("llama")
    losses = best.Imitation(methods.load("best_of_n")).losses(Scorer(model), data)
    by_hand = torch.stack([-logps.sum() for logps in one_by_one(model, data)])
    torch.testing.assert_close(losses.items, by_hand, rtol=0, atol=1e-4)
    assert losses.items.requires_grad
    assert not losses.numbers["logps/best"].requires_grad
    assert losses.numbers["completions/mean_length"].tolist() == [3.0] * 6


def test_training_makes_the_best_likelier_and_resumes_in_the_same_bits(train, scratch, notes):
    whole, curve = train()
    assert best.told(curve)["best_logp_change_nats"] > 0
    shutil.rmtree(scratch / "checkpoint-5")
    resumed, _ = train()
    assert any("resuming from step 4" in line for line in notes.said)
    assert all(torch.equal(weight, resumed[name]) for name, weight in whole.items())
