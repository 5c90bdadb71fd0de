"""Preference strength: votes by hand, classes by rank, folds by prompt, and planted flips that have to be found."""

import numpy as np
import pytest

from tasks.measures import strength

NAN = float("nan")


def test_a_members_differences_are_brought_to_a_root_mean_square_of_1():
    found = strength.standardised(np.array([[3.0, 4.0, 0.0, NAN], [300.0, -400.0, 0.0, 0.0]]))
    scale = np.sqrt(25 / 3), np.sqrt(250_000 / 4)  # over three pairs, and over four
    assert found[0, :3] == pytest.approx([3 / scale[0], 4 / scale[0], 0])
    assert np.isnan(found[0, 3])
    assert found[1] == pytest.approx([300 / 250, -400 / 250, 0, 0])


def test_a_member_that_never_differs_has_no_opinion():
    assert strength.standardised(np.zeros((1, 3))).tolist() == [[0, 0, 0]]


def test_mean_and_population_spread_are_of_the_standardised_votes():
    """[3, 4] over sqrt(12.5) and [10, 0] over sqrt(50)."""
    found = strength.votes(np.array([[3.0, 4.0], [10.0, 0.0]]))
    one, two = [3 / 12.5**0.5, 4 / 12.5**0.5], [10 / 50**0.5, 0.0]
    assert found.mean_P == pytest.approx([(a + b) / 2 for a, b in zip(one, two, strict=True)])
    assert found.spread_P == pytest.approx([abs(a - b) / 2 for a, b in zip(one, two, strict=True)])
    assert found.count_P.tolist() == [2, 2]


def test_a_single_voter_has_no_spread():
    assert strength.votes(np.array([[3.0, -4.0]])).spread_P.tolist() == [0, 0]
    apart = strength.votes(np.array([[1.0, NAN], [NAN, -2.0]]))  # each scores a pair that it never saw
    assert apart.mean_P.tolist() == [1, -1]
    assert apart.spread_P.tolist() == [0, 0]


def test_a_pair_on_which_nobody_votes_is_an_error():
    with pytest.raises(ValueError, match="nobody votes on pair 1"):
        strength.votes(np.array([[1.0, NAN], [2.0, NAN]]))


def test_a_swapped_pair_gets_the_opposite_mean_and_leaves_the_others_alone():
    differences = np.random.default_rng(0).normal(size=(4, 9))
    before = strength.votes(differences)
    differences[:, 5] *= -1
    after = strength.votes(differences)
    signs = np.where(np.arange(9) == 5, -1, 1)
    assert after.mean_P == pytest.approx(signs * before.mean_P)
    assert after.spread_P == pytest.approx(before.spread_P)


def test_a_members_scale_makes_no_difference():
    differences = np.random.default_rng(0).normal(size=(3, 7))
    louder = differences * np.array([[1.0], [1000.0], [0.01]])
    assert strength.votes(louder).mean_P == pytest.approx(strength.votes(differences).mean_P)


def test_classes_are_by_rank_and_never_by_sign():
    means = np.array([9.0, 1.0, 5.0, 3.0, 2.0, 8.0, 7.0, 4.0, 6.0, 10.0])  # none below 0
    found = strength.classes(means)
    assert [means[place] for place, name in enumerate(found) if name == "incorrect"] == [1, 2]
    assert [means[place] for place, name in enumerate(found) if name == "ambiguous"] == [3, 4]
    assert found.count("normal") == 6


def test_bands_are_consecutive_from_the_weakest_and_equals_keep_their_order():
    weakest, next_ones, others = strength.bands(np.array([0.0, -1.0, 0.0, 0.0, 5.0]), [0.4, 0.2])
    assert (weakest.tolist(), next_ones.tolist(), others.tolist()) == ([1, 0], [2], [3, 4])
    assert [len(band) for band in strength.bands(np.arange(3.0), [0.0, 1.0])] == [0, 3, 0]


def test_a_prompt_is_in_one_fold_and_another_repeat_divides_anew():
    prompts = [f"p{number % 10}" for number in range(30)]
    found = strength.folds(prompts, 5, seed=0, repeat=0)
    assert all(found[place] == found[place % 10] for place in range(30))
    assert sorted(np.bincount(found)) == [6] * 5
    assert strength.folds(prompts, 5, seed=0, repeat=0).tolist() == found.tolist()
    assert strength.folds(prompts, 5, seed=0, repeat=1).tolist() != found.tolist()


def test_too_few_prompts_make_no_folds():
    with pytest.raises(ValueError, match="2 prompts make no 3 folds"):
        strength.folds(["a", "b", "a"], 3, seed=0, repeat=0)


def test_so_many_flips_are_planted_and_by_the_seed():
    found = strength.planted(50, 0.2, seed=0)
    assert found.sum() == 10
    assert (
        strength.planted(50, 0.2, seed=0).tolist()
        == found.tolist()
        != strength.planted(50, 0.2, seed=1).tolist()
    )
    assert strength.planted(50, 0.0, seed=0).sum() == 0


def test_the_audit_counts_planted_flips_among_as_many_weakest_pairs():
    means = np.array([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    turned = np.isin(np.arange(10), [0, 2, 9])  # the three weakest are 0, 1, 2
    found = strength.audit(means, turned)
    assert found.recall == pytest.approx(2 / 3)
    assert found.planted == 3
    assert found.deciles == (0, 1, 0, 1, 1, 1, 1, 1, 1, 0)
    with pytest.raises(ValueError, match="no flip was planted"):
        strength.audit(means, np.zeros(10, dtype=bool))


def test_deciles_are_means_from_the_weakest():
    means = np.arange(20.0)[::-1]
    assert strength.deciles(means, np.arange(20.0)) == pytest.approx([18.5 - 2 * n for n in range(10)])
    assert strength.deciles(np.array([2.0, 1.0]), np.array([5.0, 7.0])) == (7, 5)


# ---- the linear toy: 2000 pairs of 20 features, preferred by a direction, a fifth of the labels turned ---------------


def fitted(features_PD):
    """The direction that logistic regression finds for differences that are all labelled as preferred."""
    weights = np.zeros(features_PD.shape[1])
    for _ in range(20):  # Newton; the ridge keeps separable data finite
        p = 1 / (1 + np.exp(-features_PD @ weights))
        gradient = features_PD.T @ (1 - p) - 1e-3 * weights
        hessian = (features_PD * (p * (1 - p))[:, None]).T @ features_PD + 1e-3 * np.eye(len(weights))
        weights = weights + np.linalg.solve(hessian, gradient)
    return weights


@pytest.fixture(scope="module")
def toy():
    """Differences of features as labelled, and which labels were turned."""
    generator = np.random.default_rng(3)
    features, direction = generator.normal(size=(2000, 20)), generator.normal(size=20)
    features *= np.sign(features @ direction)[:, None]  # the chosen side is truly the better one
    turned = strength.planted(2000, 0.2, seed=0)
    return np.where(turned[:, None], -features, features), turned


def out_of_fold(features, repeats=1, folds=5):
    """(M, P) differences, by members that never saw the pair."""
    prompts = [str(place) for place in range(len(features))]
    rows = []
    for repeat in range(repeats):
        fold = strength.folds(prompts, folds, 0, repeat)
        for held in range(folds):
            weights = fitted(features[fold != held])
            rows.append(np.where(fold == held, features @ weights, NAN))
    return np.array(rows)


def test_the_bottom_fifth_out_of_fold_holds_the_planted_flips(toy):
    features, turned = toy
    found = strength.votes(out_of_fold(features, repeats=2))
    assert set(found.count_P) == {2}
    result = strength.audit(found.mean_P, turned)
    assert result.recall > 0.8
    assert result.deciles[0] < 0.1 < 0.9 < result.deciles[-1]


def test_an_ensemble_of_the_same_rows_finds_them_too(toy):
    features, turned = toy
    generator = np.random.default_rng(0)
    members = [fitted(features[generator.integers(0, 2000, 2000)]) for _ in range(5)]
    found = strength.votes(np.array([features @ weights for weights in members]))
    assert strength.audit(found.mean_P, turned).recall > 0.8


def test_members_that_learned_nothing_find_no_more_than_chance(toy):
    _, turned = toy
    noise = np.random.default_rng(5).normal(size=(5, 2000))
    assert strength.audit(strength.votes(noise).mean_P, turned).recall == pytest.approx(0.2, abs=0.06)


def test_members_that_remember_their_pairs_are_found_out_by_the_audit():
    """More features than pairs: fitted to the turned labels, every difference is positive; out of fold few are."""
    generator = np.random.default_rng(1)
    features, direction = generator.normal(size=(200, 300)), generator.normal(size=300)
    features *= np.sign(features @ direction)[:, None]
    turned = strength.planted(200, 0.2, seed=0)
    features = np.where(turned[:, None], -features, features)
    same = strength.votes(np.array([features @ fitted(features)])).mean_P
    apart = strength.votes(out_of_fold(features)).mean_P
    assert (same < 0).mean() == 0
    assert (apart < 0).mean() > 0.2
