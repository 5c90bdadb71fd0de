"""Checks with a model: text and tokens, adapters, one step of every branch. One test goes the whole way."""

import json
from functools import wraps
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import PreTrainedTokenizerFast

from tasks import __main__ as command
from tasks import check, methods
from tasks.engine.families import pairs as pairs_family
from tasks.engine.groups import Group
from tasks.engine.models import load_tokenizer
from tasks.engine.tokens import require_learnable
from tasks.preflight import adapters, batches, miniature, speed, steps, texts, truncation
from tasks.preflight.speed import Speed
from tasks.refusal import Refusal
from tasks.settings import Lora

GRAVE = ("failure", "warning")
CHAT = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{{ CLOSE }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
LORA = {"rank": 2, "alpha": 4.0, "dropout": 0.0, "modules": "q_proj, v_proj"}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def shipped():
    return load_tokenizer(Path(__file__).resolve().parents[2] / "assets/base")


def with_tokenizer(seen, **changed):
    """What a check sees, with a tokenizer that was changed."""
    tokenizer = load_tokenizer("assets/base")
    for name, value in changed.items():
        setattr(tokenizer, name, value)
    seen.__dict__["tokenizer"] = tokenizer
    return seen


def test_the_whole_check_of_a_new_project_finds_nothing_grave_and_tries_both_branches(
    fresh, capsys, monkeypatch
):
    monkeypatch.setattr(speed, "measured", lambda seen: Speed(1e-5, 1e-5, 1e-4, "told"))
    assert check.run("found.json", "all", if_due=False) == 0
    told = json.loads(Path("found.json").read_text(encoding="utf-8"))
    assert (told["ok"], told["format"], told["counts"]["failure"], told["counts"]["warning"]) == (
        True,
        1,
        0,
        0,
    )
    by_check = {one["check"]: one for one in told["findings"] if one["level"] == "note"}
    assert by_check["parameters"]["numbers"]["branches"] == ["dpo", "rloo"]
    tried = {one["place"]: one["numbers"] for one in told["findings"] if one["check"] == "step"}
    assert tried["branches.pairs.dpo"]["loss"] == pytest.approx(0.693147, abs=1e-4)  # ln 2
    assert tried["branches.online.rloo"]["loss"] == pytest.approx(0, abs=1e-4)
    assert all(numbers["grad_norm"] > 0 for numbers in tried.values())
    sample = by_check["sample"]["cause"]
    assert "요약: " in sample
    assert "</s>" in sample
    assert "tokens" in sample
    shown = capsys.readouterr().out
    assert "0 failures" in shown
    assert "branches.pairs.dpo" in shown
    assert not Path("models").exists()
    assert not Path("data").exists()


def test_a_typing_error_is_told_with_the_nearest_name_and_the_exit_code_2(fresh, capsys):
    fresh.given["sample"]["completionz"] = fresh.given["sample"].pop("completions")
    fresh.write()
    assert command.main(["check", "--json", "-"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["counts"]["failure"]) == (False, 1)
    assert "did you mean 'completions'?" in told["findings"][0]["cause"]


# Tokens


def test_a_tokenizer_that_closes_the_prompt_with_a_second_bos_is_a_failure(fresh, found):
    fresh.given["text"]["template"] = "<s>{document}\n요약: "
    seen = with_tokenizer(fresh.seen())
    seen.tokenizer.add_special_tokens({"bos_token": "<s>"})
    encode = type(seen.tokenizer).__call__

    class Twice(PreTrainedTokenizerFast):
        def __call__(self, text, **options):
            made = encode(self, text, **options)
            if options.get("add_special_tokens"):
                made["input_ids"] = [self.bos_token_id, *made["input_ids"]]
            return made

    seen.tokenizer.__class__ = Twice
    assert any("two BOS tokens" in one.cause for one in texts.findings(seen) if one.level == "failure")


def test_a_chat_template_must_keep_the_document_the_prompt_and_the_end(fresh, found):
    seen = with_tokenizer(fresh.seen(), chat_template=CHAT.replace("{{ CLOSE }}", "</s>"))
    assert found(texts._template(seen, seen.tokenizer)) == []
    seen.tokenizer.chat_template = CHAT.replace("{{ CLOSE }}", "<end>")
    [(level, name, cause)] = found(texts._template(seen, seen.tokenizer))
    assert (level, name) == ("warning", "EOS")
    assert "closes an answer with '<end>', and EOS is '</s>'" in cause
    seen.tokenizer.chat_template = CHAT.replace("{{ CLOSE }}", "</s>").replace("%}<assistant>", "%}<model>")
    assert "is no prefix" in found(texts._template(seen, seen.tokenizer))[0][2]
    seen.tokenizer.chat_template = CHAT.replace("m['content']", "m['content'][:20]")
    assert found(texts._template(seen, seen.tokenizer), "failure")[0][1] == "template"


def test_a_template_to_which_the_summarys_first_word_sticks_is_warned_of(fresh, found):
    fresh.given["text"]["template"] = "{document}\n요약:"
    seen = fresh.seen()
    assert "sticks to it" in found(texts._template(seen, seen.tokenizer), "warning")[0][2]


def test_a_document_that_spells_a_special_token_is_warned_of(fresh, a_row, found):
    fresh.prepared(train=[a_row(0, document="가: 끝</s> 나: 네"), a_row(1)])
    assert any(
        "1 of 2 documents spell a special token, r0" in cause
        for *_, cause in found(texts.findings(fresh.seen()))
    )


@pytest.mark.parametrize(
    ("completion", "embeddings", "cause"),
    [
        ((5, 1), 1500, None),
        ((5, 6), 1500, "does not end with EOS"),
        ((5, 1, 6, 1), 1500, "holds EOS before its end"),
        ((1,), 1500, "has no token but EOS"),
        ((5, 1), 5, "row 0 has token 5, and the model embeds 5"),
    ],
)
def test_a_stage_refuses_rows_that_teach_no_end(completion, embeddings, cause, shipped):
    assert shipped.eos_token_id == 1
    rows = [Group((3, 4), (completion,))]
    if cause is None:
        require_learnable("data", shipped, embeddings, rows)
        return
    with pytest.raises(Refusal, match=cause):
        require_learnable("data", shipped, embeddings, rows)


def test_a_stage_refuses_a_tokenizer_that_pads_with_eos(fresh):
    tokenizer = load_tokenizer("assets/base")
    tokenizer.pad_token = tokenizer.eos_token
    with pytest.raises(Refusal, match="pads with its EOS token"):
        require_learnable("models/base", tokenizer, 1500, [])


def test_rows_too_long_for_the_model_and_summaries_too_long_to_be_said_are_counted(fresh, a_row, found):
    fresh.prepared(train=[a_row(0, document="가나다 " * 400), a_row(1)])
    told = found(truncation.findings(fresh.seen()), "failure")
    assert "1 of 2 rows need up to" in told[0][2]
    assert "the model has 512" in told[0][2]
    fresh.prepared()
    fresh.given["text"]["max_completion_tokens"] = 4
    assert all(
        "summaries are longer than text.max_completion_tokens (4)" in c
        for *_, c in found(truncation.findings(fresh.seen()), "warning")
    )


# Batches and adapters


def test_a_batch_that_cannot_be_made_is_a_failure(fresh, found):
    assert found(batches.findings(fresh.seen())) == []
    fresh.given["branches"]["online"]["rloo"]["optimisation"]["batch_size"] = 30
    assert found(batches.findings(fresh.seen()))[0][2] == "batch_size = 30 is no multiple of completions = 4"
    fresh.given["branches"]["online"]["rloo"]["optimisation"]["batch_size"] = 64
    fresh.pairs()
    assert found(batches.findings(fresh.seen()))[0][2] == "holds 10 prompts, and a rollout takes 16"


def test_an_adapters_layers_are_there_and_merged_it_is_the_same_function(fresh, found, monkeypatch):
    walk = fresh.given["branches"]["pairs"]["dpo"]["optimisation"]
    walk["lora"] = LORA
    [(level, _, cause)] = found(adapters.findings(fresh.seen()))
    assert level == "note"
    assert "its layers are there" in cause
    walk["lora"] = {**LORA, "modules": "q_proj, vproj"}
    assert "there is no layer 'vproj' to adapt" in found(adapters.findings(fresh.seen()), "failure")[0][2]
    walk["lora"] = {**LORA, "modules": "lm_head"}
    assert "there is no layer 'lm_head'" in found(adapters.findings(fresh.seen()), "failure")[0][2]
    walk["lora"] = LORA
    monkeypatch.setattr(PeftModel, "merge_and_unload", lambda self: self.unload(), raising=False)
    assert "another function" in found(adapters.findings(fresh.seen()), "failure")[0][2]


def test_a_full_adapter_has_a_difference_that_a_lost_merge_would_show(fresh):
    config = miniature.two_layers(fresh.seen().config)
    assert config.num_hidden_layers == 2
    assert adapters.difference(config, Lora.model_validate(LORA)) < adapters.TOLERANCE


# One step


def of(finding_list, place):
    return next(one for one in finding_list if one.place.startswith(place))


def test_planted_faults_of_a_loss_and_of_a_reference_stop_the_first_step(fresh, monkeypatch):
    """One miniature each; dpo alone."""
    fresh.given["branches"]["online"] = {}
    seen, dpo = fresh.seen(), methods.load("dpo")
    right = dpo.loss

    @wraps(right)  # a family asks a loss for the names of its arguments
    def broken(config, **known):
        return right(config, **known) * float("nan")

    monkeypatch.setattr(dpo, "loss", broken)
    told = of(steps.findings(seen, "all"), "branches.pairs.dpo")
    assert told.level == "failure"
    assert "not finite" in told.cause
    monkeypatch.setattr(dpo, "loss", right)
    known = pairs_family._known  # the reference is another model than the start: trap 1
    monkeypatch.setattr(
        pairs_family,
        "_known",
        lambda data, logps: known(data, [v + 3 * (n % 2) for n, v in enumerate(logps)]),
    )
    told = of(steps.findings(seen, "all"), "branches.pairs.dpo")
    assert told.level == "failure"
    assert "the policy does not start as the reference" in told.cause


@pytest.mark.parametrize(
    ("told", "curve", "level", "cause"),
    [
        ({"weights_sha256": "b"}, {"loss": 0.7, "grad_norm": 2.0}, "note", "loss 0.7, gradient 2"),
        (
            {"weights_sha256": "b"},
            {"loss": None, "grad_norm": 2.0},
            "failure",
            "not finite at the first step: loss",
        ),
        ({"weights_sha256": "b"}, {"loss": 0.7, "grad_norm": 0.0}, "failure", "moves nothing (gradient 0.0)"),
        ({"weights_sha256": "a"}, {"loss": 0.7, "grad_norm": 2.0}, "failure", "moves nothing"),
        ({"weights_sha256": "b"}, {}, "failure", "not finite at the first step: loss"),
    ],
)
def test_a_step_is_judged_by_its_loss_its_gradient_and_what_it_moved(told, curve, level, cause):
    found = steps.judged("branches.pairs.dpo", {"start_sha256": "a", **told}, [curve] if curve else [], 1.0)
    assert found.level == level
    assert cause in found.cause
