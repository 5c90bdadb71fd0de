"""The onset of over-optimisation on curves made by hand, and that noise alone is none."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.measures.comparison import Bootstrap
from tasks.measures.onset import onset

SEEDS, PROMPTS = 3, 40
BOOTSTRAP = Bootstrap(0.95, 2000, 0)
RISING = (0.0, 0.5, 1.0, 1.5)


def curve(*means: float, seed: int = 0, noise: float = 0.1) -> np.ndarray:
    """[T, S, P] with these means over prompts in every seed: what the prompts share, and noise that sums to 0."""
    rng = np.random.default_rng(seed)
    noise_TSP = noise * rng.normal(size=(len(means), SEEDS, PROMPTS))
    noise_TSP -= noise_TSP.mean(axis=2, keepdims=True)
    return np.array(means)[:, None, None] + rng.uniform(size=PROMPTS) + noise_TSP


def found(climbed: np.ndarray, gold: np.ndarray) -> tuple[int, int] | None:
    told = onset(climbed, gold, BOOTSTRAP)
    return told and (told.start, told.until)


def test_it_is_the_turn_of_gold_and_says_what_changed():
    told = onset(curve(*RISING), curve(0.0, 0.3, 0.1, -0.1, seed=1), BOOTSTRAP)
    assert told is not None
    assert (told.start, told.until) == (1, 2)
    assert told.climbed.mean == pytest.approx(0.5)  # 1.0 - 0.5
    assert told.gold.mean == pytest.approx(-0.2)  # 0.1 - 0.3
    assert told.climbed.low > 0 > told.gold.high


@pytest.mark.parametrize(
    ("gold", "expected"),
    [
        ((0.0, -0.2, -0.4, -0.6), (0, 1)),  # from the first step
        ((0.0, 0.1, 0.3, 0.0), (2, 3)),  # at the last snapshot
        ((0.0, 0.3, 0.1, 0.4), (1, 2)),  # and recovers
        ((0.0, 0.3, 0.3, 0.0), (1, 3)),  # level, then falling: the first of equals
        ((0.0, 0.1, 0.2, 0.3), None),  # gold rises with the reward
        ((0.0, 0.3, 0.3, 0.3), None),  # gold is level
    ],
)
def test_curves_by_hand(gold, expected):
    assert found(curve(*RISING), curve(*gold, seed=1, noise=0.0)) == expected


def test_a_reward_that_falls_with_gold_is_a_failed_training_and_no_over_optimisation():
    assert found(curve(0.0, -0.5, -1.0, -1.5), curve(0.0, -0.2, -0.4, -0.6, seed=1)) is None
    assert found(curve(0.0, 0.5, 0.5, 0.5, noise=0.0), curve(0.0, 0.3, 0.2, 0.1, noise=0.0)) is None


def test_one_seed_that_moves_the_other_way_is_enough_against_it():
    gold = curve(0.0, 0.3, 0.1, 0.1, seed=1)
    gold[1:, 2] += [[-0.4], [-0.1], [-0.1]]  # of the third seed: -0.1, 0.0, 0.0
    assert gold[2].mean() < gold[1].mean() - 0.05
    assert found(curve(*RISING), gold) is None


def test_the_more_points_are_looked_at_the_clearer_a_fall_must_be():
    """A fall of 2.3 standard errors: clear of 0 for the one pair of two points, not for one of six."""
    fall_P = np.random.default_rng(5).normal(size=PROMPTS)
    fall_P = (fall_P - fall_P.mean()) / fall_P.std(ddof=1)
    fall_P = 0.1 * (fall_P - 2.3 / np.sqrt(PROMPTS))
    start_SP = np.broadcast_to(np.linspace(0, 1, PROMPTS), (SEEDS, PROMPTS))
    end_SP = start_SP + fall_P
    assert found(curve(0.0, 1.0), np.stack([start_SP, end_SP])) == (0, 1)
    assert found(curve(*RISING), np.stack([start_SP] * 3 + [end_SP])) is None


def test_noise_around_a_level_gold_is_hardly_ever_an_onset():
    """Reward rises in every one of 200 trainings and gold is level behind the first step; alpha / 2 of them are 5."""
    rng, seen = np.random.default_rng(2), 0
    for _ in range(200):
        gold = rng.normal(size=(4, SEEDS, PROMPTS)) + np.array([-1.0, 0.0, 0.0, 0.0])[:, None, None]
        seen += onset(curve(*RISING), gold, Bootstrap(0.95, 1000, 0)) is not None
    assert seen <= 5


def test_unlike_shapes_are_refused():
    with pytest.raises(ValueError, match=r"both must be \[points, seeds, prompts\]"):
        onset(curve(0.0, 1.0), curve(0.0, 1.0, 2.0), BOOTSTRAP)
