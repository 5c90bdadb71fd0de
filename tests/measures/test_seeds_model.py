"""Seeds as a random effect: a table by hand, a mixed model, and how often its interval holds the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM

from tasks.measures import seeds_model

TABLE = np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 8.0]])  # 2 seeds, 3 prompts


def drawn(seeds: int, prompts: int, sds: tuple[float, float, float], rng: np.random.Generator) -> np.ndarray:
    of_seeds, of_prompts, rest = sds
    return (
        of_seeds * rng.normal(size=(seeds, 1))
        + of_prompts * rng.normal(size=(1, prompts))
        + rest * rng.normal(size=(seeds, prompts))
    )


def test_mean_squares_by_hand():
    # seed means 2 and 5 about 3.5: 3 x 4.5 = 13.5; prompt means 2, 3, 5.5: 2 x 6.5 = 13 over 2 degrees of freedom;
    # all squares 29.5, of which 3 are left over 2 degrees of freedom
    assert seeds_model.mean_squares(TABLE) == pytest.approx((13.5, 6.5, 1.5))


def test_the_interval_by_hand():
    found = seeds_model.general(TABLE, np.zeros((1, 3)), 0.95)
    assert found.difference == pytest.approx(3.5)
    assert found.standard_error == pytest.approx(np.sqrt((13.5 + 6.5 - 1.5) / 6))
    freedom = 18.5**2 / (13.5**2 / 1 + 6.5**2 / 2 + 1.5**2 / 2)
    assert found.degrees_of_freedom == pytest.approx(freedom)
    half = stats.t.ppf(0.975, freedom) * found.standard_error
    assert (found.low, found.high) == pytest.approx((3.5 - half, 3.5 + half))
    assert found.p == pytest.approx(2 * stats.t.sf(3.5 / found.standard_error, freedom))
    assert (found.sd_seeds, found.sd_prompts) == pytest.approx((np.sqrt(12 / 3), np.sqrt(5 / 2)))


def test_it_is_the_mixed_model_by_reml():
    values_SP = 0.3 + drawn(8, 12, (0.5, 0.8, 0.6), np.random.default_rng(0))
    seeds, prompts = (places.ravel() for places in np.indices(values_SP.shape))
    frame = pd.DataFrame({"value": values_SP.ravel(), "seed": seeds, "prompt": prompts, "all": 1})
    effects = {"seed": "0 + C(seed)", "prompt": "0 + C(prompt)"}  # within one group: the two cross
    theirs = MixedLM.from_formula("value ~ 1", frame, groups="all", vc_formula=effects).fit(reml=True)
    ours = seeds_model.general(values_SP, np.zeros((1, 12)), 0.95)
    assert ours.difference == pytest.approx(theirs.params["Intercept"])
    assert ours.standard_error == pytest.approx(theirs.bse["Intercept"], rel=1e-4)
    assert (ours.sd_prompts**2, ours.sd_seeds**2) == pytest.approx(tuple(theirs.vcomp), rel=1e-3)


def test_sft_has_one_row_and_meets_every_seed():
    rng = np.random.default_rng(1)
    left_SP, right_1P = rng.normal(size=(8, 20)), rng.normal(size=(1, 20))
    repeated = seeds_model.general(left_SP, np.repeat(right_1P, 8, axis=0), 0.95)
    assert seeds_model.general(left_SP, right_1P, 0.95) == pytest.approx(repeated)


def test_a_component_below_zero_is_none():
    # two seeds with the same mean, though their prompts differ: MS_seeds is 0 and MS_rest is not
    values_SP = np.array([[0.0, 1.0, 5.0, 2.0], [1.0, 0.0, 4.0, 3.0]])
    of_seeds, of_prompts, rest = seeds_model.mean_squares(values_SP)
    assert (of_seeds, rest) == pytest.approx((0.0, 2 / 3))
    found = seeds_model.general(values_SP, np.zeros((1, 4)), 0.95)
    assert found.sd_seeds == 0
    assert found.standard_error == pytest.approx(
        np.sqrt(of_prompts / 8)
    )  # that of prompts alone, and no less


def test_where_nothing_varies_nothing_is_estimated():
    same = seeds_model.general(np.full((8, 5), 0.7), np.full((1, 5), 0.7), 0.95)
    assert (same.difference, same.low, same.high, same.p, same.degrees_of_freedom) == (0, 0, 0, 1, None)
    apart = seeds_model.general(np.full((8, 5), 0.7), np.full((1, 5), 0.6), 0.95)
    assert (apart.low, apart.p) == (pytest.approx(0.1), 0)


def test_seeds_that_differ_are_not_taken_for_prompts():
    """8 seeds whose means lie apart by 0.05: an interval over prompts alone would hold 0 far too seldom."""
    rng = np.random.default_rng(2)
    held, naive = [], []
    for _ in range(400):
        values_SP = drawn(8, 60, (0.05, 0.2, 0.15), rng)
        found = seeds_model.general(values_SP, np.zeros((1, 60)), 0.95)
        held.append(found.low <= 0 <= found.high)
        by_prompt = values_SP.mean(axis=0)
        naive.append(abs(by_prompt.mean()) <= 2 * by_prompt.std(ddof=1) / np.sqrt(60))
    assert 0.92 <= np.mean(held) <= 0.98
    assert np.mean(naive) < 0.92


@pytest.mark.parametrize("shape", [(1, 5), (5, 1)])
def test_one_seed_or_one_prompt_has_no_model(shape):
    with pytest.raises(ValueError, match="two of each"):
        seeds_model.general(np.zeros(shape), np.zeros(shape), 0.95)
