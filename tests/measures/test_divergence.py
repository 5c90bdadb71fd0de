"""k1 and k3 against the exact KL of a toy language, by enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tasks.measures import divergence

STEPS, WORDS = 3, 3


def language(seed: int, sharpness: float) -> np.ndarray:
    """log p(next | last) of a Markov chain, [last, next]; the last row starts a text."""
    logits = sharpness * np.random.default_rng(seed).normal(size=(WORDS + 1, WORDS))
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


POLICY, SFT = language(1, 1.0), language(2, 0.7)


def log_probabilities(model: np.ndarray, texts_NT: np.ndarray) -> np.ndarray:
    """Per-token log-probabilities [N, T]."""
    last_NT = np.concatenate([np.full((len(texts_NT), 1), WORDS), texts_NT[:, :-1]], axis=1)
    return model[last_NT, texts_NT]


def exact() -> float:
    texts = np.array(list(itertools.product(range(WORDS), repeat=STEPS)))
    policy, sft = (log_probabilities(model, texts).sum(axis=1) for model in (POLICY, SFT))
    return float((np.exp(policy) * (policy - sft)).sum())


def sampled(count: int) -> np.ndarray:
    """Log-ratios [count, STEPS] of texts drawn from the policy."""
    rng = np.random.default_rng(0)
    texts = np.zeros((count, STEPS), dtype=int)
    last = np.full(count, WORDS)
    for step in range(STEPS):
        drawn = rng.uniform(size=(count, 1)) > np.exp(POLICY[last]).cumsum(axis=1)[:, :-1]
        last = texts[:, step] = drawn.sum(axis=1)
    return log_probabilities(POLICY, texts) - log_probabilities(SFT, texts)


@pytest.mark.parametrize("estimator", [divergence.k1, divergence.k3])
def test_both_estimators_are_unbiased(estimator):
    values = estimator(sampled(20_000))
    error = values.std() / np.sqrt(len(values))
    assert exact() > 0.2
    assert values.mean() == pytest.approx(exact(), abs=4 * error)


def test_k3_is_never_below_zero_and_k1_is():
    log_ratios = sampled(2000)
    assert divergence.k3(log_ratios).min() >= 0
    assert divergence.k1(log_ratios).min() < 0
    assert divergence.k3(np.array([1e-9, -1e-9, 0.0])) >= 0


def test_values_by_hand():
    log_ratios = np.log([2.0, 0.5])
    assert divergence.k1(log_ratios) == pytest.approx(0.0)
    # (1/2 - 1 + ln 2) + (2 - 1 - ln 2)
    assert divergence.k3(log_ratios) == pytest.approx(0.5)


def test_equal_models_are_at_zero_and_an_empty_text_too():
    assert divergence.k1(np.zeros(4)) == divergence.k3(np.zeros(4)) == 0.0
    assert divergence.k1(np.zeros((2, 0))).tolist() == [0.0, 0.0]


def test_what_the_mask_hides_does_not_count():
    log_ratios = np.array([[1.0, np.nan], [1.0, 2.0]])
    mask = np.array([[1, 0], [1, 1]])
    assert divergence.k1(log_ratios, mask).tolist() == [1.0, 3.0]
    assert divergence.k3(log_ratios, mask)[0] == pytest.approx(np.exp(-1.0))
    with pytest.raises(ValueError, match="shape"):
        divergence.k1(log_ratios, mask[0])
