"""Completions from one prefill: against transformers' generate, against naive rows, and against the distribution."""

import pytest
import torch
from transformers import GenerationConfig

from tasks.engine import cascade, sampling
from tasks.engine.cascade import Cascade
from tasks.engine.groups import Group
from tasks.engine.sampling import Decoding, decode, sample, seeded
from tasks.engine.scoring import Scorer

SHAPES = ["llama", "qwen2", "gemma2"]
MOST = 14  # longer than the windows
NEVER = 500  # no token of the vocabulary
SMALL = 12


@pytest.fixture
def prompts(ragged):
    return [group.prompt for group in ragged(1, prompts=(17, 3, 26, 9, 5, 12))]


def small(prompts):
    """The same for a vocabulary of SMALL, of which every token comes often."""
    return [tuple(2 + token % (SMALL - 2) for token in prompt) for prompt in prompts]


def by_transformers(model, prompt, eos):
    """transformers' own greedy completion of one prompt without padding."""
    config = GenerationConfig(
        max_new_tokens=MOST, do_sample=False, pad_token_id=0, eos_token_id=eos, bos_token_id=None
    )
    ids = torch.tensor([prompt])
    made = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)
    return made[0, len(prompt) :].tolist()


def often(model, prompts):
    """A token with which greedy completions end at different lengths; some should not end."""
    rows = [by_transformers(model, prompt, None) for prompt in prompts]
    lengths = {
        token: {row.index(token) if token in row else MOST for row in rows} for row in rows for token in row
    }
    return max(sorted(lengths), key=lambda token: len(lengths[token]))


def sampled(scorer, prompts, *, seed=None, eos=NEVER, **given):
    generators = None if seed is None else seeded(seed, range(len(prompts)))
    given = {"completions": 2, "max_new_tokens": MOST, "batch_size": 4} | given
    return sample(scorer, prompts, eos=eos, generators=generators, **given)


@pytest.mark.parametrize(
    ("shape", "ending", "completions"),
    [*((shape, ending, 3) for shape in SHAPES for ending in (False, True)), ("gemma2", True, 1)],
)
def test_greedy_is_token_by_token_what_transformers_generates(shape, ending, completions, build, prompts):
    model = build(shape)
    eos = often(model, prompts) if ending else NEVER
    expected = [by_transformers(model, prompt, eos) for prompt in prompts]
    assert not ending or len({len(row) for row in expected}) > 1
    scorer = Scorer(model)
    found = sampled(scorer, prompts, eos=eos, completions=completions, batch_size=6)
    assert scorer.rows is None
    assert [[one.ids for one in some] for some in found] == [[row] * completions for row in expected]
    assert [some[0].ended for some in found] == [eos in row for row in expected]


def test_greedy_with_an_adapter_is_what_transformers_generates(build, adapted, prompts):
    model = adapted(build("llama"))
    expected = [by_transformers(model, prompt, NEVER) for prompt in prompts]
    scorer = Scorer(model.train())
    found = sampled(scorer, prompts)
    assert scorer.rows is None
    assert model.training  # as it was
    assert [some[0].ids for some in found] == expected


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_drawn_and_dropped_have_the_tokens_and_log_probabilities_of_naive_rows(
    shape, build, prompts, one_by_one, monkeypatch
):
    model, times, drops = build(shape, vocab_size=SMALL), 5, []
    prompts = small(prompts)
    keep = Cascade.keep
    monkeypatch.setattr(
        Cascade, "keep", lambda self, going: (drops.append(int(going.sum())), keep(self, going))
    )
    drawn = torch.rand(len(prompts) * times, MOST, generator=torch.Generator().manual_seed(0))
    endless = decode(Scorer(model), prompts, times, Decoding(MOST, NEVER, len(drawn)), drawn)
    assert drops == []
    eos = int(endless.flatten().mode().values)
    logps = torch.zeros(drawn.shape)
    ids = decode(Scorer(model), prompts, times, Decoding(MOST, eos, len(drawn)), drawn, logps)
    assert len(drops) > 1
    assert drops[-1] < 0.6 * len(drawn)
    lengths = set()
    for row, (found, numbers) in enumerate(zip(ids.tolist(), logps, strict=True)):
        prompt, length = prompts[row // times], found.index(eos) + 1 if eos in found else MOST
        lengths.add(length)
        completion = tuple(found[:length])
        (naive,) = one_by_one(model, [Group(prompt, (completion,))])
        torch.testing.assert_close(numbers[:length], naive.detach(), rtol=0, atol=1e-5)
        logits = model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1].detach()
        upto = logits.double().softmax(-1).cumsum(-1).gather(-1, torch.tensor(completion)[:, None])[:, 0]
        below = upto - naive.detach().double().exp()
        assert (below - 1e-5 < drawn[row, :length]).all()
        assert (drawn[row, :length] < upto + 1e-5).all()
        assert set(found[length:]) <= {eos}
    assert len(lengths) > 3


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("completions", [1, 2])
def test_a_prompt_that_comes_again_in_a_batch_is_one_prompt_with_more_rows(
    shape, completions, build, prompts
):
    """As where a batch of a training takes the end of one round over the prompts and the start of the next."""
    model = build(shape, vocab_size=SMALL)
    prompts = small(prompts)
    again = [prompts[place] for place in (0, 1, 2, 0, 3, 2, 2, 4)]
    eos = often(model, prompts)
    greedy = [by_transformers(model, prompt, eos) for prompt in again]
    alone, together = (
        sampled(Scorer(model), again, seed=3, eos=eos, completions=completions, greedy=True, batch_size=size)
        for size in (1, 100)
    )
    assert [some[0].ids for some in together] == greedy
    assert [[one.ids for one in some] for some in together] == [[one.ids for one in some] for some in alone]
    assert together[0][1].ids != together[3][1].ids  # other draws: these are of the place, not of the prompt
    assert len({len(one.ids) for some in together for one in some}) > 2  # rows left the batch on the way


def test_no_two_places_or_seeds_draw_the_same_numbers():
    drawn = [torch.rand(3, generator=one).tolist() for seed in (0, 1, 2) for one in seeded(seed, range(50))]
    assert len({number for numbers in drawn for number in numbers}) == 3 * 50 * 3
    assert [torch.rand(3, generator=one).tolist() for one in seeded(1, [4, 7])] == [drawn[54], drawn[57]]


@pytest.mark.parametrize("shape", ["llama", "gemma2"])
def test_a_seed_decides_the_completions_whatever_the_batch(shape, build, prompts):
    scorer = Scorer(build(shape))
    eos = often(scorer.model, prompts)
    torch.manual_seed(1)
    first = sampled(scorer, prompts, seed=7, eos=eos, completions=3, batch_size=1)
    torch.manual_seed(2)
    for batch_size in (7, 100):
        assert sampled(scorer, prompts, seed=7, eos=eos, completions=3, batch_size=batch_size) == first
    assert sampled(scorer, prompts, seed=8, eos=eos, completions=3) != first
    assert len({tuple(one.ids) for some in first for one in some}) > 12  # no two rows share their numbers


def test_tokens_come_as_often_as_the_model_says(build, prompts):
    model, draws, prompts = build("llama", vocab_size=SMALL, initializer_range=0.15), 4000, small(prompts)
    (rows,) = sampled(
        Scorer(model), prompts[:1], seed=0, completions=draws, max_new_tokens=2, batch_size=draws
    )
    with torch.no_grad():
        chances = model(torch.tensor([prompts[0]])).logits[0, -1].softmax(-1)
    first = torch.tensor([row.ids[0] for row in rows])
    assert_as_often(first, chances)
    common = int(chances.argmax())
    with torch.no_grad():
        behind = model(torch.tensor([[*prompts[0], common]])).logits[0, -1].softmax(-1)
    assert_as_often(torch.tensor([row.ids[1] for row in rows])[first == common], behind)


def test_a_temperature_divides_the_logits(build, prompts):
    model, draws, prompts = build("llama", vocab_size=SMALL, initializer_range=0.15), 4000, small(prompts)
    given = {"completions": draws, "max_new_tokens": 1, "batch_size": draws, "seed": 0}
    with torch.no_grad():
        logits = model(torch.tensor([prompts[0]])).logits[0, -1]
    for rows in (None, "asked for"):
        scorer = Scorer(model)
        scorer.rows = rows
        (cool,) = sampled(scorer, prompts[:1], temperature=0.7, **given)
        assert_as_often(torch.tensor([row.ids[0] for row in cool]), (logits / 0.7).softmax(-1))


def test_a_cool_draw_is_that_of_a_likelihood_to_a_power():
    logits = torch.tensor([0.0, 1.0, -2.0, 0.5])
    powers = logits.softmax(-1).double() ** (1 / 0.7)
    edges = (powers / powers.sum()).cumsum(-1)
    drawn = torch.linspace(0.0005, 0.9995, 1000)
    found = sampling._choose(logits.expand(1000, -1), drawn, 0.7)
    assert found.tolist() == [int((one >= edges).sum()) for one in drawn.double()]
    assert not torch.equal(found, sampling._choose(logits.expand(1000, -1), drawn, 1.0))


@pytest.mark.parametrize("rows", [None, "asked for"])
def test_half_the_temperature_is_twice_the_logits_token_by_token(rows, build, prompts):
    scorer = Scorer(build("llama"))
    scorer.rows = rows
    cool = sampled(scorer, prompts, seed=0, temperature=0.5)
    with torch.no_grad():
        scorer.model.lm_head.weight.mul_(2)
    assert sampled(scorer, prompts, seed=0) == cool
    assert sampled(scorer, prompts, seed=0, temperature=0.5) != cool


def assert_as_often(tokens, chances):
    """Each within four deviations of the binomial distribution; none of them is too rare to say so."""
    expected = len(tokens) * chances
    deviations = (torch.bincount(tokens, minlength=SMALL) - expected) / (expected * (1 - chances)).sqrt()
    assert expected.min() > 5
    assert deviations.abs().max() < 4
    assert deviations.square().mean() < 2


def test_progress_counts_completions_and_prompts_come_back_in_their_order(build, prompts):
    told, scorer = [], Scorer(build("llama"))
    forward = sampled(scorer, prompts, said=lambda done, of: told.append((done, of)))
    assert told == [(4, 12), (8, 12), (12, 12)]
    assert sampled(scorer, prompts[::-1]) == forward[::-1]
    assert sampled(scorer, []) == []


@pytest.mark.parametrize("way", ["weights", "autocast"])
def test_decoding_in_bfloat16_holds_its_check(way, build, prompts, said):
    weights = torch.bfloat16 if way == "weights" else torch.float32
    model = build("gemma2", dtype=weights, initializer_range=0.1)
    scorer = Scorer(model, dtype=torch.bfloat16, said=said.append)
    found = sampled(scorer, prompts, seed=0)
    assert (scorer.rows, scorer.decodes, said) == (None, True, [])
    assert {len(one.ids) for some in found for one in some} == {MOST}


# ---- when sharing is impossible, or wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_a_scorer_of_rows_decodes_by_transformers(shape, build, prompts):
    model = build(shape)
    eos = often(model, prompts)
    expected = [by_transformers(model, prompt, eos) for prompt in prompts]
    scorer = Scorer(model)
    scorer.rows = "asked for"
    found = sampled(scorer, prompts, eos=eos)
    assert [[one.ids for one in some] for some in found] == [[row] * 2 for row in expected]
    first = sampled(scorer, prompts, seed=3)
    assert sampled(scorer, prompts, seed=3) == first
    assert sampled(scorer, prompts, seed=4) != first
    assert len({tuple(one.ids) for some in first for one in some}) > 6


def without_prompt_mask(self, window):
    return None


def equal_shares(query, key, value, mask, rule):
    out, normalizer = part(query, key, value, mask, rule)
    return out, torch.zeros_like(normalizer)


part = cascade._part


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("place", "name", "broken"),
    [(Cascade, "_mask", without_prompt_mask), (cascade, "_part", equal_shares)],
    ids=["mask", "join"],
)
def test_a_broken_cascade_is_noticed_said_and_not_used(
    place, name, broken, shape, build, prompts, said, monkeypatch
):
    model = build(shape)
    expected = [by_transformers(model, prompt, NEVER) for prompt in prompts]
    monkeypatch.setattr(place, name, broken)
    scorer = Scorer(model, said=said.append)
    found = sampled(scorer, prompts)
    assert scorer.numerics.startswith("naive rows: in decoding they differ from rows by ")
    assert len(said) == 1
    assert [some[0].ids for some in found] == expected


def test_a_cascade_that_fails_is_said_with_its_cause(build, prompts, said, monkeypatch):
    def fail(*_):
        raise RuntimeError("no\nkernel")

    monkeypatch.setattr(Cascade, "attend", fail)
    scorer = Scorer(build("llama"), said=said.append)
    assert len(sampled(scorer, prompts)) == len(prompts)
    assert scorer.numerics == "naive rows: decoding failed: no kernel"


def test_decoding_is_held_against_rows_once(build, prompts, monkeypatch):
    scorer, asked = Scorer(build("llama")), []
    naive = scorer.naive
    monkeypatch.setattr(scorer, "naive", lambda some: asked.append(len(some)) or naive(some))
    sampled(scorer, prompts)
    sampled(scorer, prompts)
    assert asked == [2]


def test_the_nucleus_is_the_fewest_likeliest_tokens_with_that_much_probability():
    logits = torch.tensor([0.1, 0.5, 0.3, 0.06, 0.04]).log()
    drawn = torch.linspace(0, 0.9999, 2000)
    found = sampling._choose(logits.expand(2000, -1), drawn, 1.0, 0.8)
    assert set(found.tolist()) == {1, 2}  # 0.5 + 0.3 are 0.8
    assert (found == 1).float().mean() == pytest.approx(0.5 / 0.8, abs=0.01)
    wider = sampling._choose(logits.expand(2000, -1), drawn, 1.0, 0.81)
    assert set(wider.tolist()) == {0, 1, 2}
    one = sampling._choose(logits.expand(2000, -1), drawn, 1.0, 0.01)
    assert set(one.tolist()) == {1}, "the likeliest is always in it"
