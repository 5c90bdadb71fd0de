"""Shared prompts against rows computed one by one, by transformers' eager attention: numbers, gradients, controls."""

from itertools import product
from math import log

import pytest
import torch

from tasks.engine import back_ends, scoring
from tasks.engine.groups import Group
from tasks.engine.layout import Layout
from tasks.engine.scoring import Scorer, completion_logps, rewards, token_logps

SHAPES = ["llama", "qwen2", "gemma2"]
CLOSE = 1e-5  # nats a token; and of a gradient whose largest element is 1


def value_and_gradients(model, numbers):
    """The numbers, and the gradients of their randomly weighted sum."""
    weights = torch.randn(len(numbers), generator=torch.Generator().manual_seed(9))
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return numbers.detach(), torch.autograd.grad((numbers * weights).sum() / len(numbers), trained)


def assert_exact(ours, naive):
    """Both are (numbers, gradients); the loss is scaled so that the largest element of the naive gradients is 1."""
    (numbers, gradients), (naive_numbers, naive_gradients) = ours, naive
    torch.testing.assert_close(numbers, naive_numbers, rtol=0, atol=CLOSE)
    largest = max(float(gradient.abs().max()) for gradient in naive_gradients)
    assert largest > 1e-2
    for one, other in zip(gradients, naive_gradients, strict=True):
        torch.testing.assert_close(one / largest, other / largest, rtol=0, atol=CLOSE)


def shared(model, groups, **given):
    """Log-probabilities by shared prompts, which must not have fallen back, to rows or to another back end."""
    scorer = Scorer(model, **given)
    numbers = torch.cat(scorer.score(groups).per_token())
    assert scorer.numerics == f"shared prompts, {given.get('back_end', 'block')}"
    return numbers


def compared(model, groups, one_by_one, **given):
    naive = value_and_gradients(model, torch.cat(one_by_one(model, groups)))
    return value_and_gradients(model, shared(model, groups, **given)), naive


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("checkpointing", [False, True], ids=["kept", "checkpointing"])
@pytest.mark.parametrize("completions", [2, 4])
@pytest.mark.parametrize("shape", SHAPES)
def test_log_probabilities_and_gradients_are_those_of_rows(
    shape, completions, checkpointing, lora, build, adapted, ragged, one_by_one
):
    model = build(shape)
    if lora:
        model = adapted(model)
    groups = ragged(completions)
    naive = value_and_gradients(model, torch.cat(one_by_one(model, groups)))
    if checkpointing:
        model.activation_checkpointing_enable()
        model.train()
    assert_exact(value_and_gradients(model, shared(model, groups)), naive)


def test_a_checkpointed_layer_runs_again_with_its_layout(build, ragged, monkeypatch):
    whole, seen = back_ends.BACK_ENDS["block"], []

    def counted(layout, *rest):
        seen.append(layout)
        return whole(layout, *rest)

    model = build("llama")
    model.activation_checkpointing_enable()
    model.train()
    monkeypatch.setitem(back_ends.BACK_ENDS, "block", counted)
    monkeypatch.setattr(Scorer, "check", lambda *_, **__: None)
    Scorer(model).score(ragged(2)).sums().sum().backward()
    assert len(seen) == 2 * model.config.num_hidden_layers
    assert len(set(map(id, seen))) == 1


def everything(layout, number, window):
    segment = layout.segments[number]
    return torch.ones(sum(segment.completions), segment.length, dtype=torch.bool)


def one_token_of_a_sibling(layout, number, window):
    mask = unchanged(layout, number, window).clone()
    mask[-2, -1 - layout.segments[number].completions[-1]] = True  # the position that predicts the last token
    return mask


def a_token_less_of_the_prompt(layout, number, window):
    mask = unchanged(layout, number, window).clone()
    mask[-2, layout.segments[number].prompt - 1] = False
    return mask


def one_window_too_wide(layout, number, window):
    return unchanged(layout, number, window and window + 1)


unchanged = Layout.mask


@pytest.mark.parametrize(
    ("planted", "shape"),
    [
        *product([everything, one_token_of_a_sibling, a_token_less_of_the_prompt], SHAPES),
        *product([one_window_too_wide], ["qwen2", "gemma2"]),
    ],
)
def test_a_planted_leak_in_the_mask_is_no_longer_exact(
    planted, shape, build, ragged, one_by_one, monkeypatch
):
    monkeypatch.setattr(Layout, "mask", planted)
    monkeypatch.setattr(Scorer, "check", lambda *_, **__: None)  # else it would notice, and compute rows
    groups = [Group(group.prompt, tuple((5, 6, 7, *ids) for ids in group.completions)) for group in ragged(2)]
    with pytest.raises(AssertionError, match="not close"):
        assert_exact(*compared(build(shape), groups, one_by_one))


@pytest.mark.parametrize(
    ("shape", "part"), [("qwen2", "window"), ("gemma2", "window"), ("gemma2", "softcap")]
)
def test_leaving_out_a_window_or_a_softcap_is_no_longer_exact(
    shape, part, build, ragged, one_by_one, monkeypatch
):
    whole = back_ends.BACK_ENDS["block"]

    def without(layout, query, key, value, rule):
        return whole(layout, query, key, value, rule._replace(**{part: None}))

    monkeypatch.setitem(back_ends.BACK_ENDS, "block", without)
    monkeypatch.setattr(Scorer, "check", lambda *_, **__: None)
    with pytest.raises(AssertionError, match="not close"):
        assert_exact(*compared(build(shape), ragged(2), one_by_one))


@pytest.mark.parametrize("shape", ["llama", "qwen2"])
def test_varlens_indices_give_the_same_numbers_and_gradients(shape, build, ragged, one_by_one):
    model, groups = build(shape), ragged(4)
    ours, naive = compared(model, groups, one_by_one, back_end="varlen")
    assert_exact(ours, naive)
    assert_exact(value_and_gradients(model, shared(model, groups)), ours)


@pytest.mark.filterwarnings(
    "ignore:flex_attention called without torch.compile:UserWarning"
)  # slow, but right
@pytest.mark.parametrize("shape", ["qwen2", "gemma2"])
def test_flex_gives_the_same_numbers(shape, build, ragged, one_by_one):
    model, groups = build(shape), ragged(4)
    with torch.no_grad():  # a CPU has no backward pass of it
        naive = torch.cat(one_by_one(model, groups))
        scorer = Scorer(model, back_end="flex")
        found = torch.cat(scorer.score(groups).per_token())
    assert scorer.numerics == "shared prompts, flex"
    torch.testing.assert_close(found, naive, rtol=0, atol=CLOSE)


def test_a_back_end_without_softcap_makes_way_for_block(build, ragged, said):
    scorer = Scorer(build("gemma2"), back_end="varlen", said=said.append)
    scorer.score(ragged(2))
    assert (scorer.numerics, said) == ("shared prompts, block", [])


@pytest.mark.parametrize("shape", SHAPES)
def test_rewards_and_their_gradients_are_those_of_rows(shape, build, ragged):
    model, groups = build(shape, reward=True), ragged(4)
    rows = [group.prompt + completion for group in groups for completion in group.completions]
    naive = torch.stack([model(input_ids=torch.tensor([row])).logits[0, 0] for row in rows])
    naive = value_and_gradients(model, naive)
    scorer = Scorer(model)
    assert_exact(value_and_gradients(model, scorer.rewards(groups)), naive)
    assert scorer.rows is None
    assert rewards(scorer, groups, 40) == pytest.approx(naive[0].tolist(), abs=CLOSE)


@pytest.mark.parametrize("tokens_at_once", [1, 60, 10_000])
def test_numbers_come_back_in_the_order_asked_for_however_they_are_packed(
    tokens_at_once, build, ragged, one_by_one
):
    model, groups = build("llama"), ragged(3)
    with torch.no_grad():
        naive = one_by_one(model, groups)
    found = completion_logps(Scorer(model), groups, tokens_at_once)
    assert all(one.dtype == torch.float32 and not one.requires_grad for one in found)
    torch.testing.assert_close(found, naive, rtol=0, atol=CLOSE)


def test_without_its_adapter_a_policy_is_its_base_model(build, adapted, ragged):
    groups = ragged(2)
    with torch.no_grad():
        base = Scorer(build("llama")).score(groups).sums()
        policy = adapted(build("llama"))
        scorer = Scorer(policy)
        assert float((scorer.score(groups).sums() - base).abs().min()) > 1e-2
        with policy.disable_adapter():
            torch.testing.assert_close(scorer.score(groups).sums(), base, rtol=0, atol=CLOSE)


# ---- the head --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_the_head_in_parts_is_the_head(shape, build, ragged, monkeypatch):
    model, groups = build(shape), ragged(4)
    whole = Scorer(model).score(groups, entropy=True)
    monkeypatch.setattr(scoring, "HEAD_ELEMENTS", 97 * 7)  # seven positions at once
    parts = Scorer(model).score(groups, entropy=True)
    torch.testing.assert_close(parts.entropy, whole.entropy, rtol=0, atol=1e-6)
    one, other = (value_and_gradients(model, scores.logps) for scores in (parts, whole))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("at_once", [1, 2, 5, 100])
def test_uniform_logits_have_an_entropy_of_ln_v(at_once):
    def head(hidden):
        return hidden.new_full((len(hidden), 97), 3.0)

    logps, entropy = token_logps(
        head, torch.ones(5, 4, requires_grad=True), torch.arange(5), at_once=at_once, entropy=True
    )
    torch.testing.assert_close(logps, torch.full((5,), -log(97)))
    torch.testing.assert_close(entropy, torch.full((5,), log(97)))


def test_entropy_is_that_of_the_distribution_that_drew_the_token_and_has_no_gradient(build, ragged):
    model, (group, *_) = build("llama"), ragged(1)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([group.prompt + group.completions[0]])).logits[0]
        expected = torch.distributions.Categorical(logits=logits).entropy()[len(group.prompt) - 1 : -1]
    found = Scorer(model).score([group], entropy=True).entropy
    assert not found.requires_grad
    torch.testing.assert_close(found, expected, rtol=0, atol=CLOSE)


# ---- bfloat16: as close to rows as its rounding lets rows be to themselves -------------------------------------------


@pytest.mark.parametrize("way", ["weights", "autocast"])
@pytest.mark.parametrize("shape", SHAPES)
def test_in_bfloat16_sharing_is_no_farther_from_float32_than_rows(shape, way, build, ragged, said):
    groups, weights = ragged(4), torch.bfloat16 if way == "weights" else torch.float32
    small = {"initializer_range": 0.1}
    with torch.no_grad():
        exact = torch.cat(Scorer(build(shape, **small)).score(groups).per_token())
        scorer = Scorer(build(shape, dtype=weights, **small), dtype=torch.bfloat16, said=said.append)
        found = torch.cat(scorer.score(groups).per_token())
        assert (scorer.rows, said) == (None, [])
        scorer.rows = "asked for"
        rows = torch.cat(scorer.score(groups).per_token())
    assert found.dtype == torch.float32
    assert 0 < float((found - exact).abs().mean()) < 2 * float((rows - exact).abs().mean())
