"""KL(pi || pi_sft) of one sampled sequence, from the log-ratios of its own tokens; all in nats.

d_t = log pi(y_t | y_<t, x) - log pi_sft(y_t | y_<t, x) with y drawn from pi at temperature 1 without
truncation of the distribution; of a greedy text the same sums estimate nothing. EOS counts as a token.
Estimators of Schulman 2020, "Approximating KL divergence" (joschu.net/blog/kl-approx.html).
"""

from __future__ import annotations

import numpy as np


def k1(log_ratios_T: np.ndarray, mask_T: np.ndarray | None = None) -> np.ndarray:  # T tokens, last axis
    """Nats a sequence, sum_t d_t: unbiased; a single sequence may be below 0."""
    return _sum(np.asarray(log_ratios_T, dtype=float), mask_T)


def k3(log_ratios_T: np.ndarray, mask_T: np.ndarray | None = None) -> np.ndarray:
    """Nats a sequence, sum_t (exp(-d_t) - 1 + d_t): never below 0.

    Unbiased too, for E[exp(-d_t)] = 1 under pi wherever pi_sft's support lies within pi's; heavy-tailed
    where pi gives its own token far less than pi_sft does.
    """
    d_T = np.asarray(log_ratios_T, dtype=float)
    return _sum(np.maximum(np.expm1(-d_T) + d_T, 0.0), mask_T)  # expm1: exact near d = 0


def _sum(terms_T: np.ndarray, mask_T: np.ndarray | None) -> np.ndarray:
    if mask_T is None:
        return terms_T.sum(axis=-1)
    mask_T = np.asarray(mask_T, dtype=bool)
    if mask_T.shape != terms_T.shape:
        raise ValueError(f"mask has shape {mask_T.shape}, the log-ratios {terms_T.shape}")
    return np.where(mask_T, terms_T, 0.0).sum(axis=-1)
