"""A scorer that cannot share prompts, or shares them wrongly: it notices, says so, and its rows are right."""

import pytest
import torch
from peft import PromptTuningConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    Exaone4Config,
    GPT2Config,
    GptOssConfig,
    MambaConfig,
    MiniMaxConfig,
    OPTConfig,
    Starcoder2Config,
)

from tasks.engine import back_ends
from tasks.engine.back_ends import CannotShare
from tasks.engine.fitting import without_dropout
from tasks.engine.layout import Layout
from tasks.engine.sampling import sample
from tasks.engine.scoring import Scorer, completion_logps

SHAPES = ["llama", "qwen2", "gemma2"]
CLOSE = 1e-5
SIZE = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": 1,
    "initializer_range": 0.25,
}


def of(config):
    """A model of another family."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()


def leaking(layout, number, window):
    segment = layout.segments[number]
    return torch.ones(sum(segment.completions), segment.length, dtype=torch.bool)


def gradients(model, numbers):
    weights = torch.linspace(-1, 1, len(numbers))
    return torch.autograd.grad((numbers * weights).mean(), list(model.parameters()))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reward", [False, True], ids=["logps", "rewards"])
def test_a_scorer_whose_shared_numbers_are_wrong_notices_says_so_and_computes_rows(
    reward, shape, build, ragged, one_by_one, said, monkeypatch
):
    monkeypatch.setattr(Layout, "mask", leaking)
    model, groups = build(shape, reward=reward), ragged(4)
    if reward:
        rows = [group.prompt + completion for group in groups for completion in group.completions]
        naive = torch.stack([model(input_ids=torch.tensor([row])).logits[0, 0] for row in rows])
    else:
        naive = torch.cat(one_by_one(model, groups))
    expected = gradients(model, naive)
    scorer = Scorer(model, said=said.append)
    found = scorer.rewards(groups) if reward else torch.cat(scorer.score(groups).per_token())
    torch.testing.assert_close(found, naive, rtol=0, atol=CLOSE)
    torch.testing.assert_close(gradients(model, found), expected, rtol=0, atol=CLOSE)
    assert scorer.numerics.startswith("naive rows: on block they differ from rows by ")
    assert len(said) == 1
    assert said[0].startswith("warning: prompts are not shared: on block they differ")


def test_a_back_end_that_fails_is_said_with_its_cause(build, ragged, said, monkeypatch):
    def fail(*_):
        raise RuntimeError("no\nkernel")

    monkeypatch.setitem(back_ends.BACK_ENDS, "block", fail)
    scorer = Scorer(build("llama"), said=said.append)
    scorer.score(ragged(2))
    assert scorer.numerics == "naive rows: on block it failed: no kernel"


def test_what_is_switched_on_after_the_check_is_refused_instead_of_computed_wrongly(build, ragged):
    model = build("llama")
    scorer = Scorer(model)
    scorer.score(ragged(2))
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.5
    model.train()
    with pytest.raises(CannotShare, match="dropout"):
        scorer.score(ragged(2))


def test_an_attention_with_a_part_that_nobody_knows_is_computed_by_the_model_itself(ragged, one_by_one, said):
    """gpt-oss adds a learned sink to its softmax: rows must go through its own attention again."""
    model = of(GptOssConfig(**SIZE, num_local_experts=4, sliding_window=6))
    groups = ragged(2)
    with torch.no_grad():
        naive = one_by_one(model, groups)
        prompt = torch.tensor([groups[0].prompt])
        greedy = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=8, do_sample=False, eos_token_id=96
        )
        scorer = Scorer(model, said=said.append)
        found = scorer.score(groups).per_token()
    assert scorer.numerics == "naive rows: on block it failed: GptOssAttention attends with s_aux"
    torch.testing.assert_close(found, naive, rtol=0, atol=CLOSE)
    ((completion,),) = sample(
        scorer,
        [groups[0].prompt],
        completions=1,
        max_new_tokens=8,
        batch_size=1,
        eos=96,
        generators=None,
    )
    assert completion.ids == greedy[0, len(groups[0].prompt) :].tolist()


def test_a_layer_without_a_window_has_none_though_its_module_names_one(ragged, one_by_one, said):
    """EXAONE 4's full layers carry the window of the others; the first groups are too short to show it."""
    model = of(Exaone4Config(**SIZE, sliding_window=24))
    groups = ragged(2, prompts=(3, 5, 40))
    with torch.no_grad():
        naive = one_by_one(model, groups)
        scorer = Scorer(model, said=said.append)
        found = scorer.score(groups).per_token()
    assert said == []
    torch.testing.assert_close(found, naive, rtol=0, atol=CLOSE)


@pytest.mark.parametrize("tokens_at_once", [40, 10_000])
def test_a_window_that_is_not_honoured_is_noticed_though_short_groups_come_first(
    tokens_at_once, build, ragged, one_by_one, said, monkeypatch
):
    whole = back_ends.BACK_ENDS["block"]

    def without_windows(layout, query, key, value, rule):
        return whole(layout, query, key, value, rule._replace(window=None))

    monkeypatch.setitem(back_ends.BACK_ENDS, "block", without_windows)
    model, groups = build("qwen2", sliding_window=20), ragged(2, prompts=(4, 5, 30, 28))
    with torch.no_grad():
        naive = one_by_one(model, groups)
    scorer = Scorer(model, said=said.append)
    torch.testing.assert_close(completion_logps(scorer, groups, tokens_at_once), naive, rtol=0, atol=CLOSE)
    assert len(said) == 1


def linear_layers(build):
    return of(MiniMaxConfig(**SIZE, num_local_experts=2))


def no_attention(build):
    return of(MambaConfig(vocab_size=97, hidden_size=32, num_hidden_layers=2, pad_token_id=0))


def virtual_tokens(build):
    config = PromptTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM")
    return get_peft_model(build("llama"), config).eval()


def attention_dropout(build):
    return build("qwen2", attention_dropout=0.5)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (linear_layers, "it has linear_attention layers"),
        (virtual_tokens, "prompt-learning adapters"),
        (attention_dropout, "its attention dropout"),
        (no_attention, "the attention of MambaForCausalLM cannot be replaced"),
    ],
)
def test_what_cannot_share_computes_rows_from_the_start_and_rightly(
    made, why, build, ragged, one_by_one, said
):
    model, groups = made(build), ragged(4)
    scorer = Scorer(model, said=said.append)
    assert scorer.numerics.startswith(f"naive rows: {why}")
    assert said == [f"prompts are not shared: {scorer.rows}"]
    with torch.no_grad():
        naive, found = one_by_one(model, groups), scorer.score(groups).per_token()
    torch.testing.assert_close(found, naive, rtol=0, atol=CLOSE)


@pytest.mark.parametrize(
    "config",
    [
        GPT2Config(
            vocab_size=97, n_embd=32, n_layer=2, n_head=4, attn_pdrop=0.3, resid_pdrop=0.3, embd_pdrop=0.3
        ),
        Starcoder2Config(**SIZE, attention_dropout=0.3, residual_dropout=0.3, embedding_dropout=0.3),
        OPTConfig(
            vocab_size=97,
            hidden_size=32,
            ffn_dim=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            word_embed_proj_dim=32,
            dropout=0.3,
            attention_dropout=0.3,
        ),
        BloomConfig(
            vocab_size=97, hidden_size=32, n_layer=2, n_head=4, hidden_dropout=0.3, attention_dropout=0.3
        ),
    ],
    ids=lambda config: config.model_type,
)
def test_a_familys_dropout_is_off_wherever_it_keeps_its_number(config):
    """Some write torch's functional dropout with a float of the layer's own."""
    model, ids = of(config), torch.arange(2, 22)[None]
    without_dropout(model)
    model.train()
    with torch.no_grad():
        assert torch.equal(model(ids).logits, model(ids).logits)
