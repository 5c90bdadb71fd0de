"""engine: trl for the pairs family: TRL's trainer, as it is given the pairs, has DPO's identities."""

from math import log

import pyarrow.parquet as pq
import pytest
import torch
from torch.nn.functional import logsigmoid

from tasks import methods
from tasks.engine.families.pairs import groups
from tasks.engine.groups import Group
from tasks.engine.scoring import Scorer, completion_logps
from tasks.engine.stock.pairs import dataset

BETA = 0.3


@pytest.fixture
def made(here, scratch):
    """A trainer with the loss of the paper alone, and another with the SFT term beside it."""
    dpo = here.entry("dpo", engine="trl", beta=BETA)
    more = {"method": "rpo", "beta": BETA, "sft_weight": 0.5, "optimisation": dpo.optimisation.model_dump()}
    rpo = methods.load("rpo").Config.model_validate(more)
    return {0.0: here.trainer(dpo, scratch), 0.5: here.trainer(rpo, scratch)}


@pytest.fixture
def trainer(made):
    return made[0.0]


def batch(trainer, count=3, start=0, swapped=False, same=False):
    rows = [dict(trainer.train_dataset[i]) for i in range(start, start + count)]
    for row in rows:
        if swapped:
            row["chosen_ids"], row["rejected_ids"] = row["rejected_ids"], row["chosen_ids"]
        if same:
            row["rejected_ids"] = row["chosen_ids"]
    return trainer.data_collator(rows)


def loss(trainer, inputs):
    return trainer.compute_loss(trainer.model, inputs)


def nudge(trainer, size=0.3):
    """Makes the policy another model than its reference."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in trainer.model.parameters():
            weight.add_(size * weight.abs().mean() * torch.randn_like(weight))


def logps(model, rows, side):
    """Log-probabilities of the side's tokens."""
    asked = [Group(tuple(row["prompt_ids"]), (tuple(row[f"{side}_ids"]),)) for row in rows]
    return completion_logps(Scorer(model), asked, 4096)


def margins(trainer, count=3):
    """h of each pair, by hand."""
    rows = [trainer.train_dataset[i] for i in range(count)]
    sums = {
        (name, side): torch.stack([row.sum() for row in logps(model, rows, side)])
        for name, model in (("policy", trainer.model), ("reference", trainer.ref_model))
        for side in ("chosen", "rejected")
    }
    chosen, rejected = (sums["policy", side] - sums["reference", side] for side in ("chosen", "rejected"))
    return chosen - rejected


def gradient(trainer, value):
    trainer.model.zero_grad()
    value.backward()
    return torch.cat([weight.grad.flatten() for weight in trainer.model.parameters()])


def test_the_loss_is_ln_2_while_the_policy_is_the_reference(trainer):
    assert loss(trainer, batch(trainer)).item() == pytest.approx(log(2), abs=1e-6)


def test_the_loss_is_minus_log_sigmoid_of_beta_h(trainer):
    nudge(trainer)
    h = margins(trainer)
    assert h.abs().max() > 0.1
    assert loss(trainer, batch(trainer)).item() == pytest.approx(
        -logsigmoid(BETA * h).mean().item(), abs=1e-4
    )


def test_swapping_the_sides_adds_beta_h_to_the_loss(trainer):
    nudge(trainer)
    difference = loss(trainer, batch(trainer, swapped=True)) - loss(trainer, batch(trainer))
    assert difference.item() == pytest.approx(BETA * margins(trainer).mean().item(), abs=1e-4)


def test_the_first_gradient_is_minus_half_beta_times_that_of_h(trainer):
    found = gradient(trainer, loss(trainer, batch(trainer, count=1)))
    row = trainer.train_dataset[0]

    def logp(side):
        ids = torch.tensor([row["prompt_ids"] + row[f"{side}_ids"]])
        kept = trainer.model(ids).logits[0, len(row["prompt_ids"]) - 1 : -1].log_softmax(-1)
        return kept.gather(-1, torch.tensor(row[f"{side}_ids"])[:, None]).sum()

    expected = gradient(trainer, -BETA / 2 * (logp("chosen") - logp("rejected")))
    assert found.norm() > 0.01
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_identical_sides_have_no_gradient(trainer):
    unlike = gradient(trainer, loss(trainer, batch(trainer)))
    alike = gradient(trainer, loss(trainer, batch(trainer, same=True)))
    assert alike.norm() < 1e-6 * unlike.norm()


def test_a_policy_far_from_its_reference_still_has_a_finite_loss_and_gradient(trainer):
    nudge(trainer, size=20.0)
    h = margins(trainer)
    assert h.abs().max() > 100
    value = loss(trainer, batch(trainer))
    assert value.item() == pytest.approx(-logsigmoid(BETA * h).mean().item(), rel=1e-3)
    assert gradient(trainer, value).isfinite().all()


def test_the_sft_term_is_its_weight_times_the_chosen_sides_mean_token_loss(made):
    for trainer in made.values():
        nudge(trainer)
    with_term, without = (loss(made[weight], batch(made[weight])).item() for weight in (0.5, 0.0))
    rows = [made[0.0].train_dataset[i] for i in range(3)]
    nll = -torch.cat(logps(made[0.0].model, rows, "chosen")).mean().item()
    assert with_term - without == pytest.approx(0.5 * nll, abs=1e-4)


def test_no_pair_is_dropped_cut_or_tokenized_again(here, trainer):
    rows = pq.read_table("data/pairs/a.parquet").to_pylist()
    given = dataset(groups(trainer.processing_class, rows)).to_list()
    taken = trainer.train_dataset.to_list()
    assert all(row in given for row in taken)
    assert len(taken) < len(given) or all(row in taken for row in given)
    assert here.metrics["align-dpo-0"]["rows"] == len(rows)
    assert trainer.args.max_length is None


def test_a_pair_longer_than_trls_default_limit_is_whole(trainer):
    row = {"prompt_ids": [5] * 1100, "chosen_ids": [6, 1], "rejected_ids": [7, 8, 1]}
    inputs = trainer.data_collator([row])
    assert inputs["input_ids"][0, :1102].tolist() == row["prompt_ids"] + row["chosen_ids"]
    assert inputs["completion_mask"].sum(-1).tolist() == [2, 3]


def test_both_sides_end_with_eos(trainer):
    eos = trainer.processing_class.eos_token_id
    for row in trainer.train_dataset:
        assert row["chosen_ids"].index(eos) == len(row["chosen_ids"]) - 1
        assert row["rejected_ids"].index(eos) == len(row["rejected_ids"]) - 1


def test_dropout_and_neftune_are_off(trainer):
    assert trainer.args.disable_dropout
    assert not trainer.args.neftune_noise_alpha
