"""BOND, Iterative BOND and J-BOND: the best-of-N law, rewards and advantages by hand, the anchor's way, the signs."""

from math import comb, log

import pytest
import torch

from tasks import methods

NAMES = [name for name in methods.names() if methods.load(name).FAMILY == "distil"]
OWN = {
    "bond": {"beta": 0.5, "best_of": 3, "anchor_samples": 4},
    "iterative_bond": {"beta": 0.5, "best_of": 2, "anchor_samples": 4, "anchor_every": 3},
    "jbond": {"beta": 0.5, "gamma": 0.7, "eta": 0.1},
}
# an answer's chance under the anchor, and its reward; two answers have the same one
CHANCES = torch.tensor([0.1, 0.25, 0.3, 0.05, 0.3], dtype=torch.float64)
REWARDS = torch.tensor([2.0, -1.0, 0.5, 3.0, 0.5], dtype=torch.float64)


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def config(project):
    def made(name, **changed):
        given = project.entry("rloo")
        own = {"reward": "model", "eos_penalty": 0.0, **OWN[name], **changed}
        return methods.load(name).Config.model_validate(
            {"method": name, "optimisation": given.optimisation.model_dump(), **own}
        )

    return made


def quantiles(chances, rewards):
    """Exact chances of a reward at most, and below, each answer's."""
    at_most = (chances[None] * (rewards[None] <= rewards[:, None])).sum(1)
    below = (chances[None] * (rewards[None] < rewards[:, None])).sum(1)
    return at_most, below


def best_of(count, chances, rewards):
    """The law of the best of `count` answers by counting: equal rewards share their chance as the anchor has it."""
    law = torch.zeros_like(chances)
    for reward in rewards.unique():
        level = rewards == reward
        below, here = chances[rewards < reward].sum(), chances[level].sum()
        hit = sum(comb(count, n) * here**n * below ** (count - n) for n in range(1, count + 1))
        law[level] = hit * chances[level] / here
    return law


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("name", ["bond", "iterative_bond"])
def test_r_bond_is_the_best_of_n_laws_log_ratio(name, count):
    found = methods.load(name).log_quantile(*quantiles(CHANCES, REWARDS), count)
    law = CHANCES * ((count - 1) * found).exp()
    torch.testing.assert_close(law, best_of(count, CHANCES, REWARDS), rtol=0, atol=1e-12)
    assert float(law.sum()) == pytest.approx(1, abs=1e-12)
    divergence = float((law * (law / CHANCES).log()).sum())
    assert 0 < divergence <= log(count) - (count - 1) / count + 1e-12


def test_the_best_of_bests_is_the_best_of_all():
    """Without ties: N of M is NM."""
    rewards = torch.tensor([2.0, -1.0, 0.5, 3.0, 0.6], dtype=torch.float64)
    twice = best_of(2, best_of(3, CHANCES, rewards), rewards)
    torch.testing.assert_close(twice, best_of(6, CHANCES, rewards), rtol=0, atol=1e-12)


def test_bonds_advantage_by_hand(config):
    """k 4, N 3: two of the four below and one equal, of the first prompt; none at most, of the second."""
    rewards, kl = torch.tensor([1.0, -5.0]), torch.tensor([0.4, 0.2])
    theirs = torch.tensor([[0.0, 1.0, 2.0, -1.0], [0.0, 0.0, 1.0, 2.0]])
    first = log(3 / 4) + log(1 + 2 / 3 + 4 / 9) / 2 - 0.4 / 2
    second = log(1 / 8) + log(1) / 2 - 0.2 / 2
    mean = (first + second) / 2
    found = methods.load("bond").advantages(config("bond"), rewards, theirs, kl)
    assert found.tolist() == pytest.approx([2 * (first - mean), 2 * (second - mean)], abs=1e-6)


def test_jbonds_advantage_by_hand(config):
    rewards, kl = torch.tensor([1.0, -5.0, 0.0]), torch.tensor([0.4, 0.2, 0.0])
    theirs = torch.tensor([[0.0, 2.0], [0.0, 1.0], [0.0, 1.0]])  # between, below both, equal to the lower one
    returns = [-0.4, -log(16) - 0.2, 0.0]
    mean = sum(returns) / 3
    found = methods.load("jbond").advantages(config("jbond"), rewards, theirs, kl)
    assert found.tolist() == pytest.approx([one - mean for one in returns], abs=1e-6)


def test_jbonds_reward_is_the_log_quantile_where_it_has_to_be():
    """-(1 - p)^2 log 16 on average over two draws, by enumeration; log p at p = 1/2 and at p = 1."""
    for p in (0.2, 0.5, 0.9, 1.0):  # the chance of an anchor's draw at most y's
        draws = [(a, b) for a in (True, False) for b in (True, False)]
        chance = {True: p, False: 1 - p}
        expected = sum(chance[a] * chance[b] * (0 if a or b else -log(16)) for a, b in draws)
        assert expected == pytest.approx(-((1 - p) ** 2) * log(16))
        if p in (0.5, 1.0):
            assert expected == pytest.approx(log(p))


def test_only_the_order_of_rewards_counts(name, config):
    random = torch.Generator().manual_seed(0)
    rewards, theirs = torch.randn(6, generator=random), torch.randn(6, 4, generator=random)
    kl, advantages = torch.rand(6, generator=random), methods.load(name).advantages
    theirs = theirs[:, : config(name).anchor_samples]
    plain = advantages(config(name), rewards, theirs, kl)
    bent = advantages(config(name), (3 * rewards).exp(), (3 * theirs).exp(), kl)
    assert plain.tolist() == bent.tolist()
    assert not torch.equal(advantages(config(name), -rewards, -theirs, kl), plain)  # a flipped sign is seen


def test_advantages_have_no_mean(name, config):
    theirs = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    found = methods.load(name).advantages(config(name), torch.arange(5.0), theirs, torch.rand(5))
    assert float(found.mean()) == pytest.approx(0, abs=1e-5)


def test_the_best_is_learned_and_the_own_one_by_its_advantage(name, config):
    logps, best = (
        torch.tensor([-9.0, -7.0], requires_grad=True),
        torch.tensor([-8.0, -6.0], requires_grad=True),
    )
    given, advantages = config(name, beta=0.25), torch.tensor([2.0, -4.0])
    methods.load(name).loss(given, logps, best, advantages, logps.detach()).sum().backward()
    assert best.grad.tolist() == [-0.75, -0.75]
    assert logps.grad.tolist() == [-0.5, 1.0]


def test_jbonds_pull_to_the_anchor_lowers_the_divergence(config):
    """By exact gradients of a policy over three answers; the printed sign would raise it."""
    anchor = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64).log()
    weights = torch.tensor([0.2, 1.0, -0.5], dtype=torch.float64, requires_grad=True)

    def divergence():
        policy = weights.log_softmax(0)
        return float((policy.exp() * (policy - anchor)).sum().detach())

    policy = weights.log_softmax(0)
    given = config("jbond", beta=0.0, gamma=1.0)
    none = torch.zeros(3, dtype=torch.float64)
    losses = methods.load("jbond").loss(given, policy, none, none, anchor)
    (policy.exp().detach() * losses).sum().backward()  # the mean over y ~ pi
    before = divergence()
    with torch.no_grad():
        weights -= 0.1 * weights.grad
    assert divergence() < before - 1e-3


def test_at_the_anchor_nothing_pulls(config):
    logps = torch.tensor([-3.0, -4.0], requires_grad=True)
    given = config("jbond", beta=0.0, gamma=5.0)
    methods.load("jbond").loss(given, logps, torch.zeros(2), torch.ones(2), logps.detach()).sum().backward()
    assert logps.grad.tolist() == [0, 0]


def test_the_anchor_goes_as_the_method_says(config):
    steps = range(1, 7)
    assert {methods.load("bond").anchor_rate(config("bond"), step) for step in steps} == {0}
    every = [methods.load("iterative_bond").anchor_rate(config("iterative_bond"), step) for step in steps]
    assert every == [0, 0, 1, 0, 0, 1]
    assert {methods.load("jbond").anchor_rate(config("jbond"), step) for step in steps} == {0.1}


def test_fewer_samples_than_n_are_refused(config):
    with pytest.raises(ValueError, match="anchor_samples 4 is less than best_of 8; raise it"):
        config("bond", best_of=8)


@pytest.mark.parametrize("sides", [(-1e6, -1e-9), (-1e-9, -1e6)])
def test_extreme_likelihoods_have_finite_losses_and_gradients(name, config, sides):
    logps = torch.tensor([sides[0]], requires_grad=True)
    found = methods.load(name).loss(
        config(name), logps, torch.tensor([sides[1]]), torch.ones(1), torch.zeros(1)
    )
    found.sum().backward()
    assert found.isfinite().all()
    assert logps.grad.isfinite().all()


def test_no_prompts_have_no_losses(name, config):
    none = torch.zeros(0)
    assert methods.load(name).loss(config(name), none, none, none, none).shape == (0,)


def test_rewards_of_unlike_number_are_refused(name, config):
    with pytest.raises(RuntimeError, match="size"):
        methods.load(name).advantages(config(name), torch.zeros(3), torch.zeros(2, 2), torch.zeros(3))
