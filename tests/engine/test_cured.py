"""The cured family: a pair's own margin and smoothing reach a method's loss, whichever method it is."""

from types import SimpleNamespace

import pytest
import torch

from tasks import methods
from tasks.engine.families import cured, pairs
from tasks.engine.groups import Group
from tasks.engine.ranking import bradley_terry
from tasks.settings import Optimisation

SUMS = [-10.0, -12.0, -20.0, -15.0, -5.0, -7.0]  # chosen and rejected, pair by pair, in nats
REFERENCES = [(-11.0, -11.0), (-19.0, -17.0), (-6.0, -8.0)]  # so that h is 2, -3, 0
TOKENS = [5, 4, 10, 3, 2, 7]
H, BETA = torch.tensor([2.0, -3.0, 0.0]), 0.3
OWN = {
    "dpo": {"beta": BETA},
    "cdpo": {"beta": BETA, "epsilon": 0.1},
    "robust_dpo": {"beta": BETA, "epsilon": 0.1},
    "rpo": {"beta": BETA, "sft_weight": 0.2},
    "ipo": {"tau": 0.25},
    "ipo_mean": {"tau": 0.25},
    "simpo": {"beta": 2.0, "gamma": 0.4},
    "orpo": {"weight": 0.2},
}
WALK = Optimisation.model_validate(
    {
        **{
            "engine": "gallim",
            "order": "random",
            "learning_rate": 1e-3,
            "schedule": "linear",
            "warmup_steps": 0,
        },
        **{
            "weight_decay": 0.0,
            "max_grad_norm": 1.0,
            "steps": 1,
            "batch_size": 2,
            "gradient_accumulation": 1,
        },
        **{"gradient_checkpointing": False, "checkpoint_every": 1, "lora": None},
    }
)


@pytest.fixture
def scorer():
    scores = SimpleNamespace(sums=lambda: torch.tensor(SUMS), tokens=lambda: torch.tensor(TOKENS))
    return SimpleNamespace(score=lambda pack: scores)


def objectives(name):
    """The family's objective of the method, and that of plain pairs."""
    method = methods.load(name)
    entry = method.Config.model_validate({"method": name, "optimisation": WALK, **OWN[name]})
    return cured.Mended(method, entry), pairs.Preferences(method, entry)


def labelled(margins=(0.0, 0.0, 0.0), smoothing=(0.0, 0.0, 0.0)):
    known = [pairs.Known(*reference) for reference in REFERENCES]
    labels = map(cured.Label, known, margins, smoothing)
    return [Group((), (), label) for label in labels]


def plain():
    return [Group((), (), pairs.Known(*reference)) for reference in REFERENCES]


def test_every_method_of_pairs_is_tried():
    assert {name for name in methods.names() if methods.load(name).FAMILY == "pairs"} == set(OWN)


@pytest.mark.parametrize("name", OWN)
def test_with_plain_labels_it_is_the_family_of_pairs(name, scorer):
    mended, ordinary = objectives(name)
    one, other = mended.losses(scorer, labelled()), ordinary.losses(scorer, plain())
    torch.testing.assert_close(one.items, other.items)
    assert one.numbers.keys() == other.numbers.keys()


@pytest.mark.parametrize("name", OWN)
def test_smoothing_moves_its_own_pair_towards_the_loss_of_the_other_order(name, scorer):
    mended, ordinary = objectives(name)
    known, _ = ordinary.known(scorer, plain())
    from tasks.engine.ranking import swapped

    right, wrong = ordinary.loss(known), ordinary.loss(swapped(known))
    found = mended.losses(scorer, labelled(smoothing=(0.0, 0.25, 0.0))).items
    torch.testing.assert_close(found[[0, 2]], right[[0, 2]])
    torch.testing.assert_close(found[1], 0.75 * right[1] + 0.25 * wrong[1])


def test_a_margin_and_a_smoothing_reach_dpos_loss_pair_by_pair(scorer):
    mended, _ = objectives("dpo")
    margins, smoothing = (0.6, -0.9, 1.0), (0.0, 0.2, 0.5)
    found = mended.losses(scorer, labelled(margins, smoothing)).items
    torch.testing.assert_close(found, bradley_terry(BETA * H, torch.tensor(margins), torch.tensor(smoothing)))


def test_the_logged_rewards_are_the_policys_own_and_know_no_margin(scorer):
    mended, ordinary = objectives("dpo")
    one = mended.losses(scorer, labelled(margins=(3.0, 3.0, 3.0))).numbers
    torch.testing.assert_close(
        one["rewards/margins"], ordinary.losses(scorer, plain()).numbers["rewards/margins"]
    )


def test_a_margin_of_a_method_without_implicit_reward_is_an_error(scorer):
    with pytest.raises(ValueError, match="a margin needs a method with beta and a reference"):
        objectives("simpo")[0].losses(
            scorer, [one._replace(meta=cured.Label(None, 1.0, 0.0)) for one in plain()]
        )


def test_the_first_step_is_held_to_the_start_and_not_to_ln_2():
    method = methods.load("dpo")
    entry = method.Config.model_validate({"method": "dpo", "optimisation": WALK, "beta": BETA})
    assert cured.identity(method, entry) == {"rewards/chosen": 0.0, "rewards/rejected": 0.0}
