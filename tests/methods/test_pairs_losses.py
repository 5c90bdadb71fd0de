"""Every loss of the pairs family: by hand (a new one needs a line in BY_HAND), its gradient, limits, refusals."""

import inspect
from math import exp, expm1, log, log1p

import pytest
import torch

from tasks import methods

PAIRS = [name for name in methods.names() if methods.load(name).FAMILY == "pairs"]
BETA, EPSILON, TAU, GAMMA, WEIGHT = 0.3, 0.1, 0.25, 0.4, 0.2
OWN = {
    "dpo": {"beta": BETA},
    "rpo": {"beta": BETA, "sft_weight": WEIGHT},
    "cdpo": {"beta": BETA, "epsilon": EPSILON},
    "robust_dpo": {"beta": BETA, "epsilon": EPSILON},
    "ipo": {"tau": TAU},
    "ipo_mean": {"tau": TAU},
    "simpo": {"beta": BETA, "gamma": GAMMA},
    "orpo": {"weight": WEIGHT},
}

# sums of three pairs, in nats; the log-ratios' gap h is 2, -3, 0
NUMBERS = {
    "chosen_logps": [-10.0, -20.0, -5.0],
    "rejected_logps": [-12.0, -15.0, -7.0],
    "chosen_reference_logps": [-11.0, -19.0, -6.0],
    "rejected_reference_logps": [-11.0, -17.0, -8.0],
    "chosen_tokens": [5, 10, 2],
    "rejected_tokens": [4, 3, 7],
}
BEFORE = NUMBERS | {
    "chosen_reference_logps": NUMBERS["chosen_logps"],
    "rejected_reference_logps": NUMBERS["rejected_logps"],
}


def softplus(x):
    return log1p(exp(-abs(x))) + max(x, 0)


def log_odds(mean):
    return mean - log(-expm1(mean))


BY_HAND = {
    "dpo": lambda h, w, n, wr, nr: softplus(-BETA * h),
    "rpo": lambda h, w, n, wr, nr: softplus(-BETA * h) - WEIGHT * w,
    "cdpo": lambda h, w, n, wr, nr: (1 - EPSILON) * softplus(-BETA * h) + EPSILON * softplus(BETA * h),
    "robust_dpo": lambda h, w, n, wr, nr: (
        ((1 - EPSILON) * softplus(-BETA * h) - EPSILON * softplus(BETA * h)) / (1 - 2 * EPSILON)
    ),
    "ipo": lambda h, w, n, wr, nr: (h - 2) ** 2,
    "ipo_mean": lambda h, w, n, wr, nr: (w - wr - (n - nr) - 2) ** 2,
    "simpo": lambda h, w, n, wr, nr: softplus(GAMMA - BETA * (w - n)),
    "orpo": lambda h, w, n, wr, nr: -w + WEIGHT * softplus(log_odds(n) - log_odds(w)),
}


@pytest.fixture(params=PAIRS)
def name(request):
    return request.param


@pytest.fixture
def config(name, project):
    return configured(name, project)


def configured(name, project, **changed):
    walk = project.entry("dpo").optimisation.model_dump()
    return methods.load(name).Config.model_validate(
        {"method": name, "optimisation": walk, **OWN[name], **changed}
    )


def losses(name, config, numbers):
    method = methods.load(name)
    asked = [one for one in inspect.signature(method.loss).parameters if one != "config"]
    return method.loss(config, **{one: torch.as_tensor(numbers[one]) for one in asked})


def swapped(numbers):
    """Chosen as rejected, and the other way round."""
    other = {"chosen": "rejected", "rejected": "chosen"}
    return {one: numbers[one.replace(side, other[side])] for one in numbers for side in [one.split("_")[0]]}


def gradients(name, config, numbers):
    """By side: of the sum of the losses."""
    sides = {
        one: torch.tensor(numbers[one], requires_grad=True) for one in ("chosen_logps", "rejected_logps")
    }
    losses(name, config, numbers | sides).sum().backward()
    return [side.grad for side in sides.values()]


def test_each_pairs_loss_is_what_the_equation_says(name, config):
    columns = zip(*NUMBERS.values(), strict=True)
    by_hand = []
    for chosen, rejected, chosen_reference, rejected_reference, n_chosen, n_rejected in columns:
        h = (chosen - chosen_reference) - (rejected - rejected_reference)
        means = (
            chosen / n_chosen,
            rejected / n_rejected,
            chosen_reference / n_chosen,
            rejected_reference / n_rejected,
        )
        by_hand.append(BY_HAND[name](h, *means))
    assert losses(name, config, NUMBERS).tolist() == pytest.approx(by_hand, abs=1e-5)


def test_a_pair_at_the_start_pushes_chosen_up_and_rejected_down(name, config):
    chosen, rejected = gradients(name, config, BEFORE)
    assert (chosen < 0).all()
    assert (rejected > 0).all()


def test_swapped_sides_and_another_reference_are_seen(name, config):
    """A planted mistake must change the numbers."""
    right = losses(name, config, NUMBERS)
    assert not torch.allclose(losses(name, config, swapped(NUMBERS)), right)
    if any("reference" in one for one in inspect.signature(methods.load(name).loss).parameters):
        assert not torch.allclose(losses(name, config, BEFORE), right)


@pytest.mark.parametrize("sides", [(-1e4, -1e-9), (-1e-9, -1e4), (0.0, 0.0)])
def test_extreme_likelihoods_have_finite_losses_and_gradients(name, config, sides):
    numbers = {key: values[:1] for key, values in NUMBERS.items()}
    numbers |= {"chosen_logps": [sides[0]], "rejected_logps": [sides[1]]}
    assert losses(name, config, numbers).isfinite().all()
    for gradient in gradients(name, config, numbers):
        assert gradient.isfinite().all()


def test_no_pairs_have_no_losses(name, config):
    assert losses(name, config, {key: torch.zeros(0) for key in NUMBERS}).shape == (0,)


def test_sides_of_unlike_number_are_no_pairs(name, config):
    unlike = NUMBERS | {"rejected_logps": [-1.0, -2.0], "rejected_tokens": [1, 2]}
    with pytest.raises(RuntimeError, match="size"):
        losses(name, config, unlike)


# ---- what the papers say of one loss each ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dpo", "cdpo", "robust_dpo"])
def test_before_the_first_step_the_loss_is_ln_2(name, project):
    found = losses(name, configured(name, project), BEFORE)
    assert found.tolist() == pytest.approx([log(2)] * 3, abs=1e-6)


@pytest.mark.parametrize(("tau", "value"), [(0.1, 25.0), (0.5, 1.0), (1.0, 0.25)])
@pytest.mark.parametrize("name", ["ipo", "ipo_mean"])
def test_before_the_first_step_ipos_loss_is_1_over_4_tau_squared(name, tau, value, project):
    found = losses(name, configured(name, project, tau=tau), BEFORE)
    assert found.tolist() == pytest.approx([value] * 3)


@pytest.mark.parametrize("name", ["ipo", "ipo_mean"])
def test_ipo_rests_at_its_target_and_pulls_back_beyond_it(name, project):
    """1 / (2 tau) is 2: nats a summary in the one, nats a token, of which there are five, in the other."""
    per = 5 if name == "ipo_mean" else 1
    for h, sign in ((1.9, -1), (2.0, 0), (2.1, 1)):
        numbers = {key: values[:1] for key, values in BEFORE.items()}
        numbers["chosen_logps"] = [numbers["chosen_reference_logps"][0] + h * per]
        slope = gradients(name, configured(name, project), numbers)[0].item()
        assert abs(slope) < 1e-5 if sign == 0 else slope * sign > 0


def test_ipos_slope_at_the_start_is_minus_1_over_tau_and_swapping_adds_2_h_over_tau(project):
    config = configured("ipo", project)
    assert gradients("ipo", config, BEFORE)[0].tolist() == pytest.approx([-1 / TAU] * 3)
    difference = losses("ipo", config, swapped(NUMBERS)) - losses("ipo", config, NUMBERS)
    assert difference.tolist() == pytest.approx([2 * h / TAU for h in (2.0, -3.0, 0.0)], abs=1e-4)


def test_ipo_of_summed_and_of_mean_tokens_are_two_losses(project):
    summed, mean = (losses(name, configured(name, project), NUMBERS) for name in ("ipo", "ipo_mean"))
    assert not torch.allclose(summed, mean)


def test_cdpo_rests_where_the_labels_noise_says(project):
    config = configured("cdpo", project, beta=0.1, epsilon=0.1)
    numbers = {key: values[:1] for key, values in BEFORE.items()}
    numbers["chosen_logps"] = [numbers["chosen_reference_logps"][0] + log(0.9 / 0.1) / 0.1]  # 21.97 nats
    assert gradients("cdpo", config, numbers)[0].item() == pytest.approx(0, abs=1e-6)


def test_robust_dpos_mean_over_flipped_labels_is_dpos_loss_on_the_true_ones(project):
    config = configured("robust_dpo", project)
    right, wrong = (losses("robust_dpo", config, numbers) for numbers in (NUMBERS, swapped(NUMBERS)))
    expected = losses("dpo", configured("dpo", project), NUMBERS)
    torch.testing.assert_close((1 - EPSILON) * right + EPSILON * wrong, expected)


def test_robust_dpo_goes_on_falling(project):
    far = [{**BEFORE, "chosen_logps": [0.0] * 3, "chosen_reference_logps": [-h] * 3} for h in (1e3, 2e3)]
    one, two = (losses("robust_dpo", configured("robust_dpo", project), numbers) for numbers in far)
    assert (one - two).tolist() == pytest.approx([1e3 * EPSILON * BETA / (1 - 2 * EPSILON)] * 3, rel=1e-4)


def test_orpo_of_summaries_alike_is_the_nll_and_weight_ln_2(project):
    numbers = NUMBERS | {
        "rejected_logps": NUMBERS["chosen_logps"],
        "rejected_tokens": NUMBERS["chosen_tokens"],
    }
    by_hand = [2.0 + WEIGHT * log(2), 2.0 + WEIGHT * log(2), 2.5 + WEIGHT * log(2)]
    assert losses("orpo", configured("orpo", project), numbers).tolist() == pytest.approx(by_hand)


def test_orpos_odds_push_by_a_half_over_1_less_p_at_equal_odds(project):
    """Of the mean log-probability; the NLL's own slope, -1, is taken off."""
    numbers = {key: values[:1] for key, values in NUMBERS.items()}
    numbers |= {"rejected_logps": numbers["chosen_logps"], "rejected_tokens": [5]}
    slope = gradients("orpo", configured("orpo", project), numbers)[0].item() * 5 + 1
    assert slope == pytest.approx(-WEIGHT * 0.5 / (1 - exp(-2.0)))


def test_orpo_without_weight_is_supervised_learning_on_chosen(project):
    found = losses("orpo", configured("orpo", project, weight=0.0), NUMBERS)
    assert found.tolist() == pytest.approx([2.0, 2.0, 2.5])


def test_simpo_of_summaries_alike_is_the_softplus_of_its_margin(project):
    numbers = NUMBERS | {
        "rejected_logps": NUMBERS["chosen_logps"],
        "rejected_tokens": NUMBERS["chosen_tokens"],
    }
    found = losses("simpo", configured("simpo", project), numbers)
    assert found.tolist() == pytest.approx([softplus(GAMMA)] * 3)


def test_dpos_slope_at_the_start_is_half_beta_and_swapping_adds_beta_h(project):
    config = configured("dpo", project)
    chosen, rejected = gradients("dpo", config, BEFORE)
    assert (chosen.tolist(), rejected.tolist()) == (
        pytest.approx([-BETA / 2] * 3),
        pytest.approx([BETA / 2] * 3),
    )
    difference = losses("dpo", config, swapped(NUMBERS)) - losses("dpo", config, NUMBERS)
    assert difference.tolist() == pytest.approx([BETA * h for h in (2.0, -3.0, 0.0)], abs=1e-5)
