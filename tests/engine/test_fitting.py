"""A step's loss is the mean over all its items, however it is cut; and a training resumes where it stopped."""

import shutil
from types import SimpleNamespace

import pytest
import torch
from transformers import TrainerCallback

from tasks import methods
from tasks.engine.families.online import Drawing, Reference, Rollouts
from tasks.engine.families.pairs import Known, Preferences
from tasks.engine.fitting import Given, GroupTrainer, Losses
from tasks.engine.reward_training import BradleyTerry
from tasks.engine.scoring import Scorer
from tasks.engine.training import arguments, fit, in_order
from tasks.sft import Supervised

CUTS = [  # batch_size, gradient_accumulation, tokens_at_once: packs of three groups and one, of two, of one
    (4, 1, 80),
    (2, 2, 10_000),
    (1, 4, 10_000),
    (2, 2, 1),
]


class Watch(TrainerCallback):
    """The gradients of every optimizer step, and every line of the log."""

    def __init__(self):
        self.gradients, self.lines = [], []

    def on_pre_optimizer_step(self, args, state, control, model, **_):
        self.gradients.append([weight.grad.clone() for weight in model.parameters() if weight.requires_grad])

    def on_log(self, args, state, control, logs, **_):
        if "loss" in logs:
            self.lines.append(dict(logs))


@pytest.fixture
def trained(build, walk, machine, tokenizer, tmp_path_factory, notes):
    """A function that trains: an objective on groups, and what differs from one plain step."""

    def made(
        objective,
        data,
        *,
        model=None,
        tokens_at_once=10_000,
        seed=0,
        dropout=False,
        task="CAUSAL_LM",
        scratch=None,
        **changed,
    ):
        scratch = scratch or tmp_path_factory.mktemp("training")
        optimisation, compute = walk(**changed), machine(tokens_at_once=tokens_at_once)
        trainer = GroupTrainer(
            model or build("llama"),
            objective,
            data,
            arguments(optimisation, compute, seed, scratch),
            optimisation,
            compute,
            tokenizer,
            dropout=dropout,
            task=task,
            said=notes.say,
        )
        watch = Watch()
        trainer.add_callback(watch)
        fit(trainer, notes, scratch)
        return SimpleNamespace(trainer=trainer, watch=watch)

    return made


@pytest.fixture
def dpo(walk):
    made = methods.load("rpo")
    entry = made.Config(method="rpo", beta=0.3, sft_weight=0.5, optimisation=walk())
    return Preferences(made, entry)


@pytest.fixture
def rloo(walk):
    """An objective whose completions are drawn; its reward is the share of even tokens."""
    made = methods.load("rloo")
    entry = made.Config(
        method="rloo", beta=0.05, completions=3, reward="judge", eos_penalty=0.1, optimisation=walk()
    )

    def objective(reference, tokens_at_once=10_000):
        def reward(some):
            return torch.tensor(
                [sum(n % 2 == 0 for n in ids) / len(ids) for g in some for ids in g.completions]
            )

        drawing = Drawing(reward, eos=1, max_new_tokens=8, tokens_at_once=tokens_at_once, seed=3)
        return Rollouts(made, entry, drawing, Reference(reference))

    return objective


def known(groups):
    return [group._replace(meta=Known(-30.0 - n, -35.0 + n)) for n, group in enumerate(groups)]


def assert_equal_gradients(one, other, close=1e-6):
    largest = max(1.0, *(float(gradient.abs().max()) for gradient in other))
    assert max(float(gradient.abs().max()) for gradient in other) > 0.1
    for mine, yours in zip(one, other, strict=True):
        torch.testing.assert_close(mine / largest, yours / largest, rtol=0, atol=close)


@pytest.mark.parametrize(
    ("cut", "checkpointing"), [*((cut, False) for cut in CUTS), ((2, 2, 1), True)], ids=str
)
def test_a_supervised_steps_gradient_is_that_of_the_mean_over_all_tokens(
    cut, checkpointing, trained, ragged, build, one_by_one
):
    """Batches and packs of different numbers of tokens: a mean of their means would be another gradient."""
    groups, model = ragged(1), build("llama")
    logps = torch.cat(one_by_one(model, groups))
    expected = torch.autograd.grad(-logps.mean(), list(model.parameters()))
    size, accumulation, tokens = cut
    done = trained(
        Supervised(0.0),
        groups,
        tokens_at_once=tokens,
        batch_size=size,
        gradient_accumulation=accumulation,
        gradient_checkpointing=checkpointing,
    )
    assert_equal_gradients(done.watch.gradients[0], expected, close=1e-5)
    assert done.watch.lines[0]["loss"] == pytest.approx(float(-logps.detach().mean()), abs=1e-4)


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_packs_and_accumulation_change_no_gradient_of_pairs(cut, trained, ragged, dpo):
    groups = known(ragged(2))
    whole = trained(dpo, groups)
    size, accumulation, tokens = cut
    parts = trained(dpo, groups, tokens_at_once=tokens, batch_size=size, gradient_accumulation=accumulation)
    assert_equal_gradients(parts.watch.gradients[0], whole.watch.gradients[0])
    assert parts.watch.lines[0]["loss"] == pytest.approx(whole.watch.lines[0]["loss"], abs=1e-4)


@pytest.mark.parametrize("cut", CUTS[::3], ids=str)
def test_packs_and_accumulation_change_no_gradient_of_a_reward_model(cut, trained, ragged, build):
    groups = ragged(2)
    size, accumulation, tokens = cut
    whole, parts = (
        trained(BradleyTerry(0.2), groups, model=build("llama", reward=True), task="SEQ_CLS", **given)
        for given in (
            {},
            {"tokens_at_once": tokens, "batch_size": size, "gradient_accumulation": accumulation},
        )
    )
    assert_equal_gradients(parts.watch.gradients[0], whole.watch.gradients[0])


@pytest.mark.parametrize("tokens", [60, 1])
def test_packs_change_no_gradient_of_rollouts(tokens, trained, ragged, rloo, build):
    prompts = [group._replace(completions=()) for group in ragged(1)]
    reference = Scorer(build("llama", seed=1))
    whole = trained(rloo(reference), prompts)
    parts = trained(rloo(reference, tokens), prompts, tokens_at_once=tokens)
    assert_equal_gradients(parts.watch.gradients[0], whole.watch.gradients[0])
    same = ("reward", "reward_std", "completions/mean_length", "entropy")
    for name in same:
        assert parts.watch.lines[0][name] == pytest.approx(whole.watch.lines[0][name], abs=1e-4), name


class Counted(Given):
    """A loss and a number of each group: its prompt's length."""

    def items(self, group):
        return 1

    def losses(self, scorer, pack):
        lengths = torch.tensor([float(len(group.prompt)) for group in pack])
        still = 0 * scorer.score(pack).sums().sum()
        return Losses(lengths + still, {"length": lengths})


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_what_is_logged_is_a_mean_over_items_and_tokens_are_counted_with_each_prompt_once(
    cut, trained, ragged
):
    groups = ragged(2)
    size, accumulation, tokens = cut
    done = trained(
        Counted(), groups, tokens_at_once=tokens, batch_size=size, gradient_accumulation=accumulation, steps=5
    )
    mean = sum(len(group.prompt) for group in groups) / 4
    for line in done.watch.lines:
        assert (line["length"], line["loss"]) == (pytest.approx(mean), pytest.approx(mean, abs=1e-3))
    counted = sum(len(group.prompt) + sum(map(len, group.completions)) for group in groups)
    assert [line["num_tokens"] for line in done.watch.lines] == [counted, 5 * counted]
    assert done.trainer.state.num_input_tokens_seen == 5 * counted


@pytest.mark.parametrize("order", ["random", "length"])
def test_the_groups_are_taken_in_the_order_that_is_written_down(order, trained, ragged, walk):
    groups, taken = ragged(1, prompts=range(2, 14)), []

    class Noted(Counted):
        def prepare(self, scorer, batch, place):
            taken.append((place, list(batch)))
            return list(batch)

    walked = {"steps": 4, "batch_size": 2, "gradient_accumulation": 2, "order": order}
    trained(Noted(), groups, seed=5, **walked)
    expected = in_order([group.tokens for group in groups], walk(**walked), 5, 4)
    assert [group for _, batch in taken for group in batch] == [groups[place] for place in expected]
    assert [place for place, _ in taken] == list(range(0, 16, 2))


def test_a_models_own_attention_dropout_is_off(trained, ragged, build, dpo):
    groups = known(ragged(2))
    whole = trained(dpo, groups)
    with_dropout = trained(dpo, groups, model=build("llama", attention_dropout=0.5))
    assert_equal_gradients(with_dropout.watch.gradients[0], whole.watch.gradients[0])


@pytest.mark.parametrize("kind", ["supervised", "pairs", "rollouts", "rollouts lora"])
def test_a_training_that_resumes_ends_in_the_same_bits(
    kind, trained, ragged, dpo, rloo, build, scratch, notes
):
    groups = ragged(2)
    lora = {"rank": 2, "alpha": 4.0, "dropout": 0.0, "modules": "all-linear"} if "lora" in kind else None
    if "rollouts" in kind:
        objective = rloo(None if lora else Scorer(build("llama", seed=1)))
        groups = [group._replace(completions=()) for group in groups]
    elif kind == "pairs":
        objective, groups = dpo, known(groups)
    else:
        objective, groups = Supervised(5.0), ragged(1)  # its noise is drawn from the global generator
    walked = {"steps": 5, "batch_size": 2, "gradient_accumulation": 2, "checkpoint_every": 2, "lora": lora}

    def weights():
        done = trained(objective, groups, scratch=scratch, **walked)
        return done, {name: weight.clone() for name, weight in done.trainer.model.named_parameters()}

    torch.manual_seed(0)
    whole, expected = weights()
    assert not any("resum" in line for line in notes.said)
    shutil.rmtree(scratch / "checkpoint-5")
    torch.manual_seed(1)
    resumed, found = weights()
    assert any("resuming from step 4" in line for line in notes.said)
    assert len(whole.watch.gradients) == 5
    assert len(resumed.watch.gradients) == 1
    assert all(torch.equal(weight, found[name]) for name, weight in expected.items())
    # of steps 2 to 5, though the resumed one made the last of them alone
    assert resumed.watch.lines == [whole.watch.lines[-1]]


def test_a_rollout_is_decided_by_seed_and_place_alone(ragged, rloo, build):
    prompts = [group._replace(completions=()) for group in ragged(1)]
    scorer, objective = Scorer(build("llama")), rloo(Scorer(build("llama", seed=1)))
    torch.manual_seed(0)
    first = objective.prepare(scorer, prompts, 8)
    torch.manual_seed(1)
    assert objective.prepare(scorer, prompts, 8) == first
    other = objective.prepare(scorer, prompts, 9)
    assert [group.completions for group in other] != [group.completions for group in first]
    halves = [objective.prepare(scorer, prompts[:2], 8), objective.prepare(scorer, prompts[2:], 10)]
    assert [group.completions for half in halves for group in half] == [group.completions for group in first]


def test_with_an_adapter_the_reference_is_the_policy_without_it(ragged, rloo, build, adapted, one_by_one):
    prompts = [group._replace(completions=()) for group in ragged(1)]
    policy = adapted(build("llama"))
    groups = rloo(None).prepare(Scorer(policy), prompts, 0)
    with torch.no_grad():
        base, with_adapter = (one_by_one(model, groups) for model in (build("llama"), policy))
    found = [number for group in groups for number in group.meta.reference_logps]
    assert found == pytest.approx([float(one.sum()) for one in base], abs=1e-4)
    assert found != pytest.approx([float(one.sum()) for one in with_adapter], abs=1e-1)


def test_a_rollouts_rewards_lose_the_penalty_where_a_completion_was_cut_off(ragged, rloo, build, one_by_one):
    prompts = [group._replace(completions=()) for group in ragged(1)]
    groups = rloo(Scorer(build("llama", seed=1))).prepare(Scorer(build("llama")), prompts, 0)
    with torch.no_grad():
        logps = [float(one.sum()) for one in one_by_one(build("llama", seed=1), groups)]
    found = [number for group in groups for number in group.meta.reference_logps]
    assert found == pytest.approx(logps, abs=1e-4)
    for group in groups:
        for ids, reward, ended in zip(group.completions, group.meta.rewards, group.meta.ended, strict=True):
            assert ended is (ids[-1] == 1)
            even = sum(n % 2 == 0 for n in ids) / len(ids)
            assert reward == pytest.approx(even - 0.1 * (not ended), abs=1e-6)
