"""KL by enumeration: a Llama of five tokens writes at most three, so its 85 texts can all be listed.

d is log p - log q of each token of a text, p the policy and q models/sft. The sequence KL is sum_y p(y) sum_t d_t, so
k1, which is sum_t d_t, has it as its expectation by definition. k3, summed over tokens, has it too: given what is
written before a token, the mean of exp(-d) under p is sum_v q(v) = 1, so that -1 + exp(-d) averages to 0, and what is
left is d. That needs q to be 0 wherever p is, which a softmax grants.
"""

import itertools
from math import exp

import numpy as np
import pytest
import torch

from tasks.engine.evaluator import Evaluator
from tasks.engine.groups import Group
from tasks.engine.sampling import sample, seeded
from tasks.engine.scoring import Scorer
from tasks.measures import best_of, divergence

TOKENS, EOS, MOST, DRAWN = 5, 1, 3, 4000
PROMPT = (3, 2, 4, 4)


@pytest.fixture(scope="module")
def texts():
    """Every text: ended by EOS at its first, second or third token, or cut off at the third: 1 + 4 + 16 + 64."""
    words = [token for token in range(TOKENS) if token != EOS]
    ended = [(*some, EOS) for length in range(MOST) for some in itertools.product(words, repeat=length)]
    every = [*ended, *itertools.product(words, repeat=MOST)]
    assert len(every) == 85
    return every


@pytest.fixture(scope="module")
def language(build):
    """Policy and reference."""
    return tuple(build("llama", seed=seed, vocab_size=TOKENS, initializer_range=0.15) for seed in (5, 6))


@pytest.fixture(scope="module")
def logps(texts, language, one_by_one):
    """log p and log q of each token of each text: two lists of arrays."""
    groups = [Group(PROMPT, (text,)) for text in texts]
    with torch.no_grad():
        return tuple([one.double().numpy() for one in one_by_one(model, groups)] for model in language)


@pytest.fixture(scope="module")
def chances(logps):
    """p of each text."""
    found = np.array([exp(one.sum()) for one in logps[0]])
    assert found.sum() == pytest.approx(1, abs=1e-6)
    assert found.max() < 0.11
    return found / found.sum()


@pytest.fixture(scope="module")
def exact(logps, chances):
    """The sequence KL in nats."""
    ratios = np.array([p.sum() - q.sum() for p, q in zip(*logps, strict=True)])
    return float(chances @ ratios)


@pytest.fixture(scope="module")
def drawn(language, machine):
    """Texts that the engine draws from the policy, and the evaluator that tells their KL."""
    policy, reference = (Scorer(model) for model in language)
    completions = sample(
        policy,
        [PROMPT],
        completions=DRAWN,
        max_new_tokens=MOST,
        batch_size=DRAWN,
        eos=EOS,
        generators=seeded(0, [0]),
        scored=True,
    )
    unused = None  # no reward and no text is asked for
    return completions, Evaluator(policy, reference, unused, unused, machine())  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("estimator", [divergence.k1, divergence.k3])
def test_both_estimators_have_the_exact_kl_as_their_expectation(estimator, logps, chances, exact):
    values = np.array([estimator(p - q) for p, q in zip(*logps, strict=True)])
    assert exact > 0.5
    assert chances @ values == pytest.approx(exact, abs=1e-6)
    assert np.ptp(values) > 0.1


def test_the_kl_is_the_sum_of_its_tokens_kls_by_the_chain_rule(texts, language, one_by_one, exact):
    """Another way to it: KL of the next token behind every beginning, weighted by how often p begins so."""
    words = [token for token in range(TOKENS) if token != EOS]
    total = 0.0
    for length in range(MOST):
        for begun in itertools.product(words, repeat=length):
            ids = torch.tensor([PROMPT + begun])
            with torch.no_grad():
                p, q = (model(input_ids=ids).logits[0].double().log_softmax(-1) for model in language)
            chosen = range(len(PROMPT) - 1, len(PROMPT) - 1 + length)
            reached = exp(sum(float(p[place, token]) for place, token in zip(chosen, begun, strict=True)))
            total += reached * float((p[-1].exp() * (p[-1] - q[-1])).sum())
    assert total == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize("name", ["kl_k1", "kl_k3"])
def test_the_evaluations_means_are_the_exact_kl_within_their_standard_error(name, drawn, exact):
    """4 standard errors of 4000 texts; of unbiased estimators 1 seed in 16 000 lies outside, and this one is fixed."""
    completions, evaluator = drawn
    values = np.array(evaluator.divergences([PROMPT], completions)[name])
    error = values.std(ddof=1) / np.sqrt(DRAWN)
    assert error < exact / 10
    assert values.mean() == pytest.approx(exact, abs=4 * error)


def best_of_n(chances, ranking, n):
    """p of the best of n draws, exactly: no two texts rank alike."""
    order = np.argsort(ranking)
    below = np.concatenate([[0.0], np.cumsum(chances[order])])
    found = np.empty_like(chances)
    found[order] = below[1:] ** n - below[:-1] ** n
    return found


@pytest.mark.parametrize("n", [1, 2, 4, 16])
def test_best_of_ns_exact_kl_lies_below_its_bound(n, chances):
    best = best_of_n(chances, np.random.default_rng(0).normal(size=len(chances)), n)
    assert best.sum() == pytest.approx(1, abs=1e-6)
    kl = float((best * np.log(best / chances)).sum())
    assert kl <= best_of.kl_bound(n) + 1e-9
    assert kl >= 0.99 * best_of.kl_bound(n) - 1e-9  # and not by far: no text is more than a tenth of all


def test_its_worth_is_what_enumeration_gives(texts, chances, drawn):
    """The engine's samples in fours, each text worth its place in a ranking, against the exact mean."""
    ranking = np.random.default_rng(0).normal(size=len(chances))
    worth = {text: float(rank) for text, rank in zip(texts, ranking, strict=True)}
    values_PN = np.array([worth[tuple(one.ids)] for one in drawn[0][0]]).reshape(-1, 4)
    for n in (1, 2, 4):
        means_P = best_of.expected(values_PN, values_PN, n)
        error = means_P.std(ddof=1) / np.sqrt(len(means_P))
        assert means_P.mean() == pytest.approx(best_of_n(chances, ranking, n) @ ranking, abs=4 * error)
