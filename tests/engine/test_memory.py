"""What objectives learn on the way: the running baseline and the anchor, each kept with every checkpoint."""

import shutil
from types import SimpleNamespace

import pytest
import torch

from tasks import methods
from tasks.engine.families.critic import ActorCritic
from tasks.engine.families.distil import Distillation
from tasks.engine.families.online import Drawing, Reference, Rollouts
from tasks.engine.fitting import GroupTrainer
from tasks.engine.scoring import Scorer
from tasks.engine.training import arguments, fit
from tasks.refusal import Refusal

LORA = {"rank": 2, "alpha": 4.0, "dropout": 0.0, "modules": "all-linear"}
WALKED = {"steps": 5, "batch_size": 2, "gradient_accumulation": 2, "checkpoint_every": 2}
OWN = {
    "reinforce": {"beta": 0.05, "completions": 2},
    "jbond": {"beta": 0.5, "gamma": 0.5, "eta": 0.3},
    "bond": {"beta": 0.5, "best_of": 2, "anchor_samples": 3},
    "ppo": {
        "beta": 0.05,
        "completions": 2,
        "epochs": 2,
        "clip": 0.2,
        "value_clip": 0.2,
        "value_weight": 0.1,
        "discount": 1.0,
        "trace": 0.95,
        "critic_learning_rate": 1e-3,
    },
    "iterative_bond": {"beta": 0.5, "best_of": 2, "anchor_samples": 3, "anchor_every": 2},
}


def reward(some):
    """The share of even tokens."""
    return torch.tensor([sum(n % 2 == 0 for n in ids) / len(ids) for g in some for ids in g.completions])


@pytest.fixture
def objective(walk, build):
    """A function to a new objective of a method's."""

    def made(name, lora=None, **changed):
        method = methods.load(name)
        entry = method.Config.model_validate(
            {
                "method": name,
                "reward": "judge",
                "eos_penalty": 0.1,
                "optimisation": walk(**WALKED, lora=lora).model_dump(),
                **OWN[name],
                **changed,
            }
        )
        drawing = Drawing(reward, eos=1, max_new_tokens=8, tokens_at_once=10_000, seed=3)
        if method.FAMILY == "distil":
            return Distillation(method, entry, drawing)
        reference = Reference(None if lora else Scorer(build("llama", seed=1)))
        if method.FAMILY == "critic":
            critic = Scorer(build("llama", seed=2, reward=True))
            return ActorCritic(method, entry, drawing, reference, critic)
        return Rollouts(method, entry, drawing, reference)

    return made


@pytest.fixture
def train(build, walk, machine, tokenizer, notes, ragged, scratch):
    """A function that trains an objective from the last checkpoint; the trained weights, and the objective."""
    prompts = [group._replace(completions=()) for group in ragged(1)]

    def made(objective, lora=None):
        optimisation, compute = walk(**WALKED, lora=lora), machine()
        trainer = GroupTrainer(
            build("llama"),
            objective,
            prompts,
            arguments(optimisation, compute, 0, scratch),
            optimisation,
            compute,
            tokenizer,
            dropout=False,
            said=notes.say,
        )
        torch.manual_seed(0)
        fit(trainer, notes, scratch)
        weights = {name: weight.clone() for name, weight in trainer.model.named_parameters()}
        return SimpleNamespace(weights=weights, objective=objective)

    return made


def kept(done):
    return {name: tensor.clone() for name, tensor in done.objective.state().items()}


@pytest.mark.parametrize(
    ("name", "lora"),
    [
        ("reinforce", None),
        ("jbond", None),
        ("jbond", LORA),
        ("iterative_bond", None),
        ("bond", None),
        ("ppo", None),
    ],
)
def test_a_training_that_resumes_ends_with_the_same_weights_and_memory(
    name, lora, objective, train, scratch, notes
):
    whole = train(objective(name, lora), lora)
    shutil.rmtree(scratch / "checkpoint-5")
    resumed = train(objective(name, lora), lora)
    assert any("resuming from step 4" in line for line in notes.said)
    assert all(torch.equal(weight, resumed.weights[each]) for each, weight in whole.weights.items())
    expected, found = kept(whole), kept(resumed)
    assert bool(expected) == (name != "bond")  # its anchor never moves
    assert expected.keys() == found.keys()
    assert all(torch.equal(tensor, found[each]) for each, tensor in expected.items())


@pytest.mark.parametrize("name", ["reinforce", "jbond"])
def test_a_checkpoint_without_its_memory_is_skipped_for_the_one_before(
    name, objective, train, scratch, notes
):
    whole = train(objective(name))
    (scratch / "checkpoint-5" / "objective.safetensors").unlink()
    resumed = train(objective(name))
    assert notes.said[-3].startswith("warning: checkpoint-5 is not whole (objective.safetensors is missing)")
    assert notes.said[-2:] == ["resuming from step 4", "resumed from 4"]
    assert all(torch.equal(weight, resumed.weights[each]) for each, weight in whole.weights.items())


def test_the_baseline_is_the_mean_of_all_rewards_of_earlier_steps(objective, train, monkeypatch):
    reinforce, seen = methods.load("reinforce"), []
    plain = reinforce.advantages

    def watched(config, rewards_PK, kl_PK, baseline):
        seen.append((rewards_PK - config.beta * kl_PK, baseline))
        return plain(config, rewards_PK, kl_PK, baseline)

    monkeypatch.setattr(reinforce, "advantages", watched)
    train(objective("reinforce"))
    assert len(seen) == 2 * WALKED["steps"]  # two micro-batches a step
    for number, (_, baseline) in enumerate(seen):
        earlier = [rewards for rewards, _ in seen[: number - number % 2]]
        expected = float(torch.cat(earlier).mean()) if earlier else 0.0
        assert baseline == pytest.approx(expected, abs=1e-5)


def weights_of(model):
    return [weight.detach().clone() for weight in model.parameters()]


def same(one, other):
    return all(torch.equal(*both) for both in zip(one, other, strict=True))


@pytest.mark.parametrize(("eta", "where"), [(0.0, "start"), (1.0, "policy")])
def test_an_anchor_that_goes_no_step_stays_and_one_that_goes_all_the_way_is_the_policy(
    eta, where, objective, train, build
):
    done = train(objective("jbond", eta=eta))
    there = {"start": weights_of(build("llama")), "policy": list(done.weights.values())}
    anchor = weights_of(done.objective.anchor.model)
    assert same(anchor, there[where])
    assert not same(there["start"], there["policy"])


def test_the_anchor_goes_once_an_optimizer_step_however_the_batch_is_cut(objective, train):
    made, rates = objective("jbond"), []
    method = methods.load("jbond")
    made._method = SimpleNamespace(
        advantages=method.advantages,
        loss=method.loss,
        anchor_rate=lambda entry, step: rates.append(step) or method.anchor_rate(entry, step),
    )
    made.state = dict
    train(made)
    assert rates == [1, 2, 3, 4, 5]


def test_the_moving_average_is_that_of_the_weights(objective, build):
    made, policy = objective("jbond", eta=0.25), Scorer(build("llama", seed=1))
    made.begun(Scorer(build("llama")))
    start = weights_of(made.anchor.model)
    made.stepped(policy, 1)
    expected = [0.75 * a + 0.25 * p for a, p in zip(start, weights_of(policy.model), strict=True)]
    for found, wanted in zip(weights_of(made.anchor.model), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)


def test_a_step_learns_the_anchors_best_and_ranks_the_policys_own(objective, ragged, build, one_by_one):
    made, scorer = objective("bond", eos_penalty=0.0), Scorer(build("llama"))
    made.begun(Scorer(build("llama", seed=1)))
    prompts = [group._replace(completions=()) for group in ragged(1)]
    prepared = made.prepare(scorer, prompts, 0)
    logps = one_by_one(made.anchor.model, prepared)[
        ::2
    ]  # of the policy's; the anchor's best stands behind each
    anchor_logps = [float(one.sum().detach()) for one in logps]
    for group, logp in zip(prepared, anchor_logps, strict=True):
        own, best = (float(reward([group._replace(completions=(ids,))])) for ids in group.completions)
        assert group.meta.reward == pytest.approx(own)
        assert group.meta.best_reward == pytest.approx(best)
        assert group.meta.anchor_logp == pytest.approx(logp, abs=1e-4)
    assert sum(group.meta.advantage for group in prepared) == pytest.approx(0, abs=1e-4)
    again = made.prepare(scorer, prompts, 0)
    assert [group.completions for group in again] == [group.completions for group in prepared]


def test_the_policy_and_the_anchor_draw_from_numbers_of_their_own(objective, ragged, build):
    """One model twice: were the numbers the same, so were the summaries."""
    made, scorer = objective("jbond"), Scorer(build("llama"))
    made.begun(scorer)
    prompts = [group._replace(completions=()) for group in ragged(1)]
    prepared = made.prepare(scorer, prompts, 0)
    assert any(group.completions[0] != group.completions[1] for group in prepared)


def played(objective, scorer, prompts):
    """Three optimizer steps of one micro-batch each, as the trainer takes them."""
    seen = []
    for step in (1, 2, 3):
        prepared = objective.prepare(scorer, prompts, 4 * step)
        losses = objective.losses(scorer, prepared)
        losses.items.mean().backward()
        objective.stepped(scorer, step)
        seen.append((prepared, losses))
    return seen


@pytest.fixture
def prompts(ragged):
    return [group._replace(completions=()) for group in ragged(1)]


def test_a_rollout_is_used_for_its_epochs(objective, prompts, build):
    first, second, third = (
        prepared for prepared, _ in played(objective("ppo"), Scorer(build("llama")), prompts)
    )
    assert first is second
    assert [group.completions for group in third] != [group.completions for group in first]


def test_ppos_first_step_has_no_ratio_but_1_and_no_loss_of_the_policy(objective, prompts, build):
    """The whitened advantages have the mean 0; what is left is the critic's loss with its weight."""
    made, scorer = objective("ppo"), Scorer(build("llama"))
    (group, *_), losses = played(made, scorer, prompts)[0]
    assert float(losses.numbers["clip_ratio"].sum()) == 0
    critic = float(losses.numbers["value_loss"].mean())
    assert float(losses.items.mean().detach()) == pytest.approx(0.1 * critic, abs=1e-5)
    assert [len(one) for one in group.completions] == [len(one) for one in group.meta.old_logps]


def test_what_a_rollout_knows_is_each_models_own(objective, prompts, build, one_by_one):
    made, scorer = objective("ppo", beta=0.3, eos_penalty=0.0), Scorer(build("llama"))
    prepared = made.prepare(scorer, prompts, 0)
    policy, reference = (one_by_one(model, prepared) for model in (scorer.model, build("llama", seed=1)))
    critic = build("llama", seed=2, reward=True)
    kl = [float((p - r).sum().detach()) for p, r in zip(policy, reference, strict=True)]
    assert [one for group in prepared for one in group.meta.kl] == pytest.approx(kl, abs=1e-4)
    for group in prepared:
        for ids, values in zip(group.completions, group.meta.old_values, strict=True):
            hidden = critic.model(torch.tensor([group.prompt + ids])).last_hidden_state[0]
            expected = critic.score(hidden)[-1 - len(ids) : -1, 0].detach()
            torch.testing.assert_close(values, expected, rtol=0, atol=1e-5)
        scored = [float(reward([group._replace(completions=(ids,))])) for ids in group.completions]
        assert group.meta.rewards == pytest.approx(scored)


def test_the_critic_learns_and_its_first_step_is_adamws(objective, prompts, build):
    made, scorer = objective("ppo"), Scorer(build("llama"))
    before = weights_of(made.critic.model)
    losses = [float(one.numbers["value_loss"].mean()) for _, one in played(made, scorer, prompts)]
    assert losses[1] < losses[0]
    moved = max(
        float((now - then).abs().max())
        for now, then in zip(weights_of(made.critic.model), before, strict=True)
    )
    assert 0 < moved <= 3.1e-3  # AdamW goes at most its learning rate a step
    assert all(weight.grad is None for weight in made.critic.model.parameters())


def test_packs_change_no_gradient_of_ppo(objective, prompts, build):
    def gradients(tokens_at_once):
        made, scorer = objective("ppo"), Scorer(build("llama"))
        prepared = made.prepare(scorer, prompts, 0)
        for pack in [prepared] if tokens_at_once else [[group] for group in prepared]:
            (made.losses(scorer, pack).items.sum() / 8).backward()
        both = [*scorer.model.parameters(), *made.critic.model.parameters()]
        return [weight.grad for weight in both if weight.grad is not None]

    for one, other in zip(gradients(True), gradients(False), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_checkpoints_within_a_rollout_are_refused(here, scratch):
    walk = here.entry("rloo").optimisation.model_dump() | {"checkpoint_every": 3}
    entry = {"method": "ppo", "reward": "model", "eos_penalty": 0.1, "optimisation": walk, **OWN["ppo"]}
    with pytest.raises(Refusal, match="3 would cut a rollout of 2 epochs in two; set a multiple of 2"):
        here.trainer(methods.load("ppo").Config.model_validate(entry), scratch)
