"""Stage sft: the loss on the summary alone, and NEFTune's noise as transformers' own hook adds it."""

import json
import shutil
from math import log, sqrt
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from transformers import TrainerCallback

from tasks import sft
from tasks.engine import models, training
from tasks.engine.scoring import completion_logps
from tasks.parameters import TrainedSft
from tasks.refusal import Refusal

ALPHA, LENGTH, WIDTH = 5.0, 50, 32
LORA = {"rank": 2, "alpha": 4.0, "dropout": 0.5, "modules": "all-linear"}


class Probe(TrainerCallback):
    """Asks a question of the model inside the training, where the hook is in place."""

    def __init__(self, question):
        self.question = question
        self.answer = None

    def on_train_begin(self, args, state, control, model=None, **_):
        self.answer = self.question(model)


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
        tokenizer = models.load_tokenizer(sft.BASE)
        parameters = here.parameters
        sft.train(
            TrainedSft.model_validate(given), tokenizer, parameters.text, parameters.compute, notes, scratch
        )
        return caught[0]

    return make


def asked(trainer, question):
    probe = Probe(question)
    trainer.add_callback(probe)
    trainer.train()
    return probe.answer


def noise(model, count=400):
    """Blocks of noise on `LENGTH` embedded tokens, shape (count, LENGTH, WIDTH)."""
    model.train()
    embeddings, ids = model.get_input_embeddings(), torch.arange(LENGTH)[None]
    torch.manual_seed(0)
    with torch.no_grad():
        drawn = torch.cat([embeddings(ids) for _ in range(count)])
        return drawn - torch.nn.functional.embedding(ids, embeddings.weight)


def loss_of(trainer, batch):
    return trainer.compute_loss(trainer.model, dict(batch))


def first_batch(trainer, count=4):
    return trainer.data_collator([trainer.train_dataset[i] for i in range(count)])


def rows_of(trainer, here):
    """(prompt ids, summary ids) of the training rows in the trainer's order."""
    rows = sft.encoded(models.load_tokenizer(sft.BASE), "train", here.parameters.text)
    known = {tuple(prompt + summary): (prompt, summary) for prompt, summary in rows}
    return [known[tuple(ids)] for ids in trainer.train_dataset["input_ids"]]


def losses(trainer, notes):
    notes.lines.clear()
    trainer.train()
    return [line["loss"] for line in notes.lines]


def test_the_noise_is_uniform_within_alpha_by_root_l_d(made):
    drawn = asked(made(ALPHA), noise)
    bound = ALPHA / sqrt(LENGTH * WIDTH)
    assert bound == pytest.approx(0.125)
    assert drawn.abs().max() <= bound + 1e-6
    assert drawn.abs().max() > 0.999 * bound
    assert drawn.mean().item() == pytest.approx(0, abs=1e-3)


def test_the_noise_of_a_whole_block_has_length_alpha_by_root_3(made):
    lengths = asked(made(ALPHA), noise).flatten(1).norm(dim=1)
    assert lengths.mean().item() == pytest.approx(ALPHA / sqrt(3), rel=5e-3)


def test_the_hook_leaves_the_embeddings_and_every_evaluation_as_they_are(here, made):
    rows = sft.encoded(models.load_tokenizer(sft.BASE), "validation", here.parameters.text)

    def question(model):
        model.train()
        ids = torch.arange(LENGTH)[None]
        noisy = not torch.equal(model(ids).logits, model(ids).logits)
        return noisy, completion_logps(model, rows, 4), [weight.clone() for weight in model.parameters()]

    noisy, logps, weights = asked(made(ALPHA), question)
    base = models.load_policy(sft.BASE, here.parameters.compute)
    assert noisy
    assert all(torch.equal(a, b) for a, b in zip(logps, completion_logps(base, rows, 4), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(weights, base.parameters(), strict=True))


def test_the_hook_is_gone_after_the_training(made):
    trainer = made(ALPHA)
    trainer.train()
    assert not trainer.model.get_input_embeddings()._forward_hooks


def test_alpha_0_is_no_neftune_bit_by_bit(made, notes):
    none = losses(made(0.0), notes)
    trainer = made(ALPHA)
    trainer.neftune_noise_alpha = 0.0  # the hook itself, with a noise of nothing
    assert losses(trainer, notes) == none
    assert losses(made(ALPHA), notes) != none
    assert made(0.0).neftune_noise_alpha is None


def test_uniform_logits_cost_ln_v(made):
    trainer = made(0.0)
    for weight in trainer.model.parameters():
        torch.nn.init.zeros_(weight)
    assert loss_of(trainer, first_batch(trainer)).item() == pytest.approx(log(1000), abs=1e-5)


def test_the_loss_is_the_mean_over_the_summaries_tokens_and_their_eos(here, made):
    trainer = made(0.0)
    logps = torch.cat(completion_logps(trainer.model, rows_of(trainer, here)[:4], 1))
    assert loss_of(trainer, first_batch(trainer)).item() == pytest.approx(-logps.mean().item(), abs=1e-5)


def test_no_token_of_the_prompt_has_a_label_and_each_of_the_summarys_counts(here, made):
    trainer = made(0.0)
    batch = first_batch(trainer)
    ids, summary = rows_of(trainer, here)[0]
    prompt, whole = len(ids), len(ids) + len(summary)
    assert batch["input_ids"][0, :whole].tolist() == ids + summary
    assert set(batch["labels"][0, :prompt].tolist()) == {-100}
    assert batch["labels"][0, prompt:whole].tolist() == summary
    assert set(batch["labels"][0, whole:].tolist()) <= {-100}
    before = loss_of(trainer, batch).item()

    def changed(place):
        labels = batch["labels"].clone()
        labels[0, place] = 5 if labels[0, place] != 5 else 6
        return loss_of(trainer, {**batch, "labels": labels}).item()

    assert all(changed(place) != before for place in range(prompt, whole))


def test_no_row_is_dropped_and_none_is_cut(here, made):
    trainer = made(0.0)
    rows = sft.encoded(models.load_tokenizer(sft.BASE), "train", here.parameters.text)
    taken = rows_of(trainer, here)  # each is one of `rows`, whole
    assert len({tuple(p + c) for p, c in taken}) == min(len(taken), len(rows))
    assert here.metrics["sft"]["rows"] == len(rows) == 40


def test_the_validation_loss_is_of_the_saved_model_without_noise(here):
    model = models.load_policy(models.SFT, here.parameters.compute)
    rows = sft.encoded(models.load_tokenizer(models.SFT), "validation", here.parameters.text)
    mean = -torch.cat(completion_logps(model, rows, 8)).mean().item()
    assert here.metrics["sft"]["validation_loss_nats_per_token"] == pytest.approx(mean, abs=1e-5)


def test_the_amplitude_is_told(here):
    rows = sft.encoded(models.load_tokenizer(models.SFT), "train", here.parameters.text)
    length = sum(len(prompt) + len(completion) for prompt, completion in rows) / len(rows)
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
    assert not models.same_weights(made, sft.BASE)
    base = models.load_policy(sft.BASE, own.parameters.compute)
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
