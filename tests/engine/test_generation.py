"""Completions by transformers' generate, against one prompt at a time and against the distribution itself."""

from math import sqrt

import pyarrow.parquet as pq
import pytest
import torch
from transformers import GenerationConfig

from tasks.engine import models
from tasks.engine.generation import generate
from tasks.engine.text import encode_prompt, render


@pytest.fixture
def tokenizer(here):
    return models.load_tokenizer(models.SFT)


@pytest.fixture
def policy(here):
    return models.load_policy(models.SFT, here.parameters.compute)


@pytest.fixture
def prompts(here, tokenizer):
    """Prompts of eight lengths, the longest first."""
    documents = pq.read_table("data/prepared/test.parquet").column("document").to_pylist()
    ids = [
        encode_prompt(tokenizer, render(tokenizer, document, here.parameters.text)) for document in documents
    ]
    return [row[-(30 - 3 * i) :] for i, row in enumerate(ids)]


def decoded(policy, tokenizer, prompts, **given):
    common = {"eos": tokenizer.eos_token_id, "max_new_tokens": 24, "batch_size": 3, "seed": None}
    return generate(policy, prompts, **common | given)


def test_greedy_is_what_transformers_gives_one_by_one_without_padding(policy, tokenizer, prompts):
    found = decoded(policy, tokenizer, prompts)
    for prompt, completion in zip(prompts, found, strict=True):
        alone = policy.generate(
            input_ids=torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=24,
            do_sample=False,
        )
        assert completion.ids == alone[0, len(prompt) :].tolist()


def test_the_prompts_order_comes_back(policy, tokenizer, prompts):
    torch.manual_seed(0)
    for weight in policy.parameters():
        torch.nn.init.normal_(
            weight, std=0.3
        )  # so that it heeds its prompt, which a few steps of SFT do not teach
    found = decoded(policy, tokenizer, prompts)
    assert decoded(policy, tokenizer, prompts[::-1]) == found[::-1]
    assert len({tuple(completion.ids) for completion in found}) > 1


def test_sampling_is_decided_by_its_seed_alone(policy, tokenizer, prompts):
    torch.manual_seed(1)
    first = decoded(policy, tokenizer, prompts, seed=7)
    torch.manual_seed(2)
    assert decoded(policy, tokenizer, prompts, seed=7) == first
    assert decoded(policy, tokenizer, prompts, seed=8) != first


def test_a_completion_ends_at_its_first_eos_or_is_cut_off_at_the_limit(policy, tokenizer, prompts):
    found = decoded(policy, tokenizer, prompts * 8, seed=0, max_new_tokens=16)
    assert {completion.ended for completion in found} == {True, False}
    for completion in found:
        places = [place for place, token in enumerate(completion.ids) if token == tokenizer.eos_token_id]
        assert places == ([len(completion.ids) - 1] if completion.ended else [])
        assert completion.ended or len(completion.ids) == 16


def test_progress_counts_every_prompt(policy, tokenizer, prompts):
    told = []
    decoded(policy, tokenizer, prompts, max_new_tokens=1, said=lambda done, of: told.append((done, of)))
    assert told == [(3, 8), (6, 8), (8, 8)]


def test_sampling_draws_from_the_whole_distribution_at_t_1(policy, tokenizer, prompts):
    draws = 2000
    with torch.no_grad():
        chances = policy(torch.tensor([prompts[0]])).logits[0, -1].softmax(-1)
    tail = set(
        chances.argsort(descending=True)[50:].tolist()
    )  # what transformers' own top_k = 50 would forbid
    mass = float(chances[list(tail)].sum())
    found = decoded(policy, tokenizer, [prompts[0]] * draws, seed=0, max_new_tokens=1, batch_size=500)
    share = sum(completion.ids[0] in tail for completion in found) / draws
    assert 0.05 < mass < 0.95
    assert abs(share - mass) < 4 * sqrt(mass * (1 - mass) / draws)


def test_what_a_foreign_model_says_of_decoding_has_no_say_here(policy, tokenizer, prompts):
    greedy, sampled = (decoded(policy, tokenizer, prompts, seed=seed) for seed in (None, 0))
    policy.generation_config = GenerationConfig(
        do_sample=True,
        temperature=0.1,
        top_k=3,
        top_p=0.5,
        min_p=0.5,
        repetition_penalty=2.0,
        no_repeat_ngram_size=2,
        min_new_tokens=10,
        suppress_tokens=[tokenizer.eos_token_id],
        eos_token_id=[tokenizer.eos_token_id, 18],
        pad_token_id=tokenizer.pad_token_id,
    )
    models.separate_pad(policy, tokenizer)
    assert decoded(policy, tokenizer, prompts) == greedy
    assert decoded(policy, tokenizer, prompts, seed=0) == sampled


def test_a_temperature_is_that_of_the_draws_and_not_of_greedy(policy, tokenizer, prompts):
    warm, cool = (decoded(policy, tokenizer, prompts, seed=0, temperature=t) for t in (1.0, 0.5))
    assert warm == decoded(policy, tokenizer, prompts, seed=0) != cool
    greedy = decoded(policy, tokenizer, prompts)
    assert decoded(policy, tokenizer, prompts, seed=0, temperature=1e-4) == greedy
    assert decoded(policy, tokenizer, prompts, temperature=0.5) == greedy
