"""Stage sft: the loss on the summary alone, and NEFTune's noise on the embeddings."""

import json
import shutil
from math import log, sqrt
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from tasks import sft
from tasks.engine import models, training
from tasks.engine.groups import Group, shared
from tasks.engine.groups import rows as padded
from tasks.engine.scoring import Scorer, completion_logps
from tasks.refusal import Refusal
from tasks.sections.trunk import TrainedSft

ALPHA, LENGTH, WIDTH = 5.0, 50, 32
LORA = {"rank": 2, "alpha": 4.0, "dropout": 0.5, "modules": "all-linear"}


@pytest.fixture
def made(here, scratch, notes, monkeypatch):
    """The stage's own trainer, not yet trained, for one alpha."""

    def make(alpha, **walk):
        caught = []
        monkeypatch.setattr(training, "fit", lambda trainer, *_: caught.append(trainer))
        monkeypatch.setattr(training, "merged", lambda trainer: trainer.model)
        given = here.parameters.sft.source.model_dump()
        given["neftune_noise_alpha"] = alpha
        given["optimisation"] |= {"steps": 2, "batch_size": 4, **walk}
        tokenizer = models.load_tokenizer(models.BASE)
        parameters = here.parameters
        sft.train(
            TrainedSft.model_validate(given), tokenizer, parameters.text, parameters.compute, notes, scratch
        )
        return caught[0]

    return make


def rows(here, split="train"):
    return sft.encoded(models.load_tokenizer(models.BASE), split, here.parameters.text)


def taken(trainer):
    """The rows in the trainer's order."""
    return [trainer.train_dataset[place][1] for place in range(len(trainer.train_dataset))]


def losses(trainer, batch):
    """One loss a summary token."""
    return trainer.objective.losses(trainer.scorer, batch).items


def trained(trainer, notes):
    notes.lines.clear()
    trainer.train()
    return [line["loss"] for line in notes.lines]


def noise(alpha=ALPHA, count=400):
    """Blocks of noise on rows of `LENGTH` tokens, shape (count, LENGTH, WIDTH)."""
    torch.manual_seed(0)
    plan = shared([Group((place, *range(LENGTH - 2)), ((7,),)) for place in range(count)])
    return (
        sft.Supervised(alpha)._noisy(torch.zeros(1, count * LENGTH, WIDTH), plan).view(count, LENGTH, WIDTH)
    )


def test_the_noise_is_uniform_within_alpha_by_root_l_d():
    drawn, bound = noise(), ALPHA / sqrt(LENGTH * WIDTH)
    assert bound == pytest.approx(0.125)
    assert 0.999 * bound < drawn.abs().max() <= bound + 1e-6
    assert drawn.mean().item() == pytest.approx(0, abs=1e-3)


def test_the_noise_of_a_whole_block_has_length_alpha_by_root_3():
    assert noise().flatten(1).norm(dim=1).mean().item() == pytest.approx(ALPHA / sqrt(3), rel=5e-3)


def test_a_rows_noise_knows_its_own_length_and_no_padding(here):
    """In transformers' hook L is the padded length, and padding is noisy, too."""
    torch.manual_seed(0)
    long, short = Group(tuple(range(198)), ((5, 1),)), Group((7,) * 49, ((1,),))
    plan = padded([short, long], pad=0)
    drawn = sft.Supervised(ALPHA)._noisy(torch.zeros(2, 200, WIDTH), plan)
    assert drawn[0, :50].norm().item() == pytest.approx(ALPHA / sqrt(3), rel=0.05)
    assert drawn[1].norm().item() == pytest.approx(ALPHA / sqrt(3), rel=0.05)
    assert not drawn[0, 50:].any()


def test_alpha_0_is_no_neftune_bit_by_bit(made, notes):
    none = trained(made(0.0), notes)
    trainer = made(ALPHA)
    trainer.objective._noisy = lambda embeddings, plan: embeddings
    assert trained(trainer, notes) == none
    assert trained(made(ALPHA), notes) != none


def test_uniform_logits_cost_ln_v(made):
    trainer = made(0.0)
    for weight in trainer.model.parameters():
        torch.nn.init.zeros_(weight)
    found = losses(trainer, taken(trainer)[:4])
    assert found.tolist() == pytest.approx([log(1000)] * len(found), abs=1e-5)


def test_the_steps_loss_is_the_mean_over_the_summaries_tokens_and_their_eos(made, notes):
    trainer = made(0.0, steps=1)
    first = taken(trainer)[:4]
    expected = -torch.cat(completion_logps(Scorer(trainer.model), first, 4096))
    assert len(expected) == sum(len(row.completions[0]) for row in first)
    assert trained(trainer, notes)[0] == pytest.approx(expected.mean().item(), abs=1e-5)


def test_each_token_of_the_summary_counts_and_none_of_the_prompt(made):
    trainer = made(0.0)
    row = taken(trainer)[0]
    (summary,) = row.completions
    before = losses(trainer, [row])
    assert len(before) == len(summary) == trainer.objective.items(row)
    for place, token in enumerate(summary):
        other = (*summary[:place], 5 if token != 5 else 6, *summary[place + 1 :])
        changed = losses(trainer, [row._replace(completions=(other,))])
        assert torch.equal(changed[:place], before[:place])
        assert changed[place] != before[place]


def test_a_summary_that_stands_twice_counts_twice(made):
    trainer = made(0.0)
    row = taken(trainer)[0]
    assert losses(trainer, [row, row]).tolist() == losses(trainer, [row]).tolist() * 2


def test_no_row_is_dropped_and_none_is_cut(here, made):
    given, order = rows(here), taken(made(0.0, steps=10))
    assert set(order) == set(given)
    assert here.metrics["sft"]["rows"] == len(given) == 40


def test_trls_stock_trainer_can_take_its_place(own):
    own.change("sft.source.optimisation", engine="trl", order="length", steps=3)
    own.run("sft")
    assert [line["step"] for line in own.curve("sft")] == [1, 3]
    made = models.load_policy(models.SFT, own.parameters.compute)
    assert not models.same_weights(made, models.BASE)


def test_the_validation_loss_is_of_the_saved_model_without_noise(here):
    model = models.load_policy(models.SFT, here.parameters.compute)
    mean = -torch.cat(completion_logps(Scorer(model), rows(here, "validation"), 4096)).mean().item()
    assert here.metrics["sft"]["validation_loss_nats_per_token"] == pytest.approx(mean, abs=1e-5)


def test_the_amplitude_is_told(here):
    length = sum(row.tokens for row in rows(here)) / len(rows(here))
    assert here.metrics["sft"]["neftune_amplitude"] == pytest.approx(5 / sqrt(length * WIDTH), abs=1e-6)


def test_the_stage_run_again_gives_the_same_bytes(own):
    before = {path.name: path.read_bytes() for path in models.SFT.iterdir()}
    curve = Path("reports/curves/sft.jsonl").read_bytes()
    torch.manual_seed(12345)
    assert own.run("sft") == own.metrics["sft"]
    assert {path.name: path.read_bytes() for path in models.SFT.iterdir()} == before
    assert Path("reports/curves/sft.jsonl").read_bytes() == curve


def test_another_seed_gives_another_model(own):
    before = own.metrics["sft"]["weights_sha256"]
    own.change("sft.source", seed=1)
    own.change("sft.source.optimisation", steps=2)
    first = own.run("sft")["weights_sha256"]
    own.change("sft.source", seed=2)
    assert len({before, first, own.run("sft")["weights_sha256"]}) == 3


def test_an_adapter_is_merged_into_the_whole_models_weights(own):
    own.change("sft.source.optimisation", steps=2, lora=LORA)
    own.run("sft")
    names = json.loads(Path("models/sft/manifest.json").read_text())["files"].keys()
    assert "model.safetensors" in names
    assert not any("adapter" in name for name in names)
    made = models.load_policy(models.SFT, own.parameters.compute)
    assert not models.same_weights(made, models.BASE)
    base = models.load_policy(models.BASE, own.parameters.compute)
    assert torch.equal(made.get_input_embeddings().weight, base.get_input_embeddings().weight)


def test_an_own_model_is_taken_over_as_it_is(own):
    shutil.copytree("models/sft", "models/own/sft")
    own.change("sft", source={"kind": "own"})
    found = own.run("sft")
    assert found["weights_sha256"] == own.metrics["sft"]["weights_sha256"]
    assert "neftune_amplitude" not in found


@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("kind", ["train", "own"])
def test_a_row_that_does_not_fit_the_model_is_refused_before_any_training(split, kind, own):
    path = Path(f"data/prepared/{split}.parquet")
    table = pq.read_table(path).to_pylist()
    table[3]["document"] = "가" * 600
    pq.write_table(pq.read_table(path).from_pylist(table, schema=pq.read_schema(path)), path)
    if kind == "own":
        shutil.copytree("models/sft", "models/own/sft")
        own.change("sft", source={"kind": "own"})
    with pytest.raises(
        Refusal, match=rf"data/prepared/{split}.parquet: .* need \d+ tokens, the model has 512"
    ):
        own.run("sft")


def test_without_validation_rows_the_validation_loss_is_null(own):
    path = Path("data/prepared/validation.parquet")
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    own.change("sft.source.optimisation", steps=1)
    assert own.run("sft")["validation_loss_nats_per_token"] is None
