"""What ends a training whose numbers go wrong, and what is told of it."""

import re
from math import inf, nan
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tasks.engine import training, watch
from tasks.refusal import Refusal
from tasks.sections.compared import Watch

FIRST = {"step": 1, "kl": 0.0, "frac_reward_zero_std": 0.0, "completions/clipped_ratio": 0.1}
FIRST |= {"completions/mean_length": 20.0}


def limits(then="flag", **changed):
    given = {"kl": 1.0, "equal_rewards": 0.9, "cut_off": 0.5, "shortened": 0.25} | changed
    blocks = {name: limit and {"limit": limit, "then": then} for name, limit in given.items()}
    return Watch.model_validate(blocks)


@pytest.mark.parametrize(
    ("number", "good", "bad", "name", "value"),
    [
        ("kl", 0.99, 1.0, "kl", 1.0),
        ("frac_reward_zero_std", 0.89, 1.0, "equal_rewards", 1.0),
        ("completions/clipped_ratio", 0.49, 0.5, "cut_off", 0.5),
        ("completions/mean_length", 5.1, 4.0, "shortened", 0.2),  # 4 of 20 tokens
    ],
)
def test_a_number_that_reaches_its_limit_is_told_by_its_worst_value_and_its_first_step(
    number, good, bad, name, value
):
    curve = [FIRST, FIRST | {"step": 5, number: good}, FIRST | {"step": 10, number: bad}]
    assert watch.flagged(limits(), curve[:2]) == {}
    assert watch.flagged(limits(**{name: None}), curve) == {}
    told = {f"flagged_{name}": value, f"flagged_{name}_step": 10}
    assert watch.flagged(limits(), curve) == told
    assert watch.flagged(limits(), [*curve, FIRST | {"step": 15}]) == told


def test_a_curve_without_such_numbers_has_nothing_to_flag():
    assert watch.flagged(limits(), [{"step": 1, "loss": 0.7}, {"step": 2, "loss": 0.1}]) == {}


@pytest.mark.parametrize("resumed", [False, True])
def test_a_limit_that_stops_ends_the_training_at_its_line(resumed, tmp_path):
    args = SimpleNamespace(output_dir=str(tmp_path))
    (tmp_path / "checkpoint-8").mkdir()
    state = SimpleNamespace(global_step=10, log_history=[FIRST] if resumed else [])
    held = watch.Limits("rloo-0", limits("stop"))
    held.on_train_begin(args, state, None)
    if not resumed:
        held.on_log(args, state, None, FIRST)
    with pytest.raises(
        Refusal, match=r"rloo-0: at step 10 answers have 10% of the tokens .* the limit is 25%"
    ) as caught:
        held.on_log(args, state, None, FIRST | {"completions/mean_length": 2.0})
    assert f"its last good checkpoint is kept: {tmp_path}/checkpoint-8" in str(caught.value)
    watch.Limits("rloo-0", limits("flag")).on_log(args, state, None, FIRST | {"kl": 9.0})


@pytest.mark.parametrize(("name", "value"), [("loss", nan), ("grad_norm", inf)])
def test_a_logged_number_that_is_not_finite_ends_the_training(name, value, tmp_path):
    args, state = SimpleNamespace(output_dir=str(tmp_path)), SimpleNamespace(global_step=3)
    with pytest.raises(
        Refusal, match=f"dpo-0: at step 3 {name} is {value}; lower .* it had no checkpoint yet"
    ):
        watch.Finite("dpo-0").on_log(args, state, None, {"loss": 0.5} | {name: value})


@pytest.mark.parametrize(
    ("branch", "engine"), [("dpo", "gallim"), ("rloo", "gallim"), ("dpo", "trl"), ("rloo", "trl")]
)
def test_a_gradient_that_is_no_number_ends_the_training_before_its_step(branch, engine, here, scratch, notes):
    entry = here.entry(branch, steps=4, checkpoint_every=2, engine=engine)
    trainer = here.trainer(entry, scratch)
    weight = next(weight for weight in trainer.model.parameters() if weight.requires_grad)

    def spoiled(gradient):
        return gradient * nan if trainer.state.global_step == 2 else gradient

    weight.register_hook(spoiled)
    trainer.add_callback(watch.Finite(f"{branch}-0"))
    with pytest.raises(Refusal, match=rf"{branch}-0: at step 3 .*kept: .*checkpoint-2") as caught:
        training.fit(trainer, notes, scratch)
    assert Path(re.search(r"kept: (\S+)", str(caught.value))[1]).is_dir()
    assert all(torch.isfinite(each).all() for each in trainer.model.parameters())


def test_a_loss_that_is_no_number_is_logged_as_such(here, scratch):
    """transformers would leave it out of the mean."""
    entry = here.entry("dpo")
    given = training.arguments(entry.optimisation, here.parameters.compute, 0, scratch)
    assert given["logging_nan_inf_filter"] is False


def test_what_a_training_reaches_stands_in_its_metrics(own):
    own.change("align.watch", cut_off={"limit": 1e-9, "then": "flag"})
    found = own.run("align --family online --branch rloo --seed 0")
    cut_off = {line["step"]: line["completions/clipped_ratio"] for line in own.curve("align-rloo-0")}
    assert max(cut_off.values()) > 0  # the miniature rarely ends its answers
    assert found["flagged_cut_off"] == pytest.approx(max(cut_off.values()), abs=1e-6)
    assert found["flagged_cut_off_step"] == min(step for step, share in cut_off.items() if share)

    own.change("align.watch", cut_off={"limit": 1e-9, "then": "stop"})
    with pytest.raises(Refusal, match=r"rloo-0: at step . .* of answers never end"):
        own.run("align --family online --branch rloo --seed 0")
