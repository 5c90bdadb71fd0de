"""engine: trl for RLOO: TRL's trainer, as it is given the prompts, has RLOO's identities."""

import json

import pyarrow.parquet as pq
import pytest
import torch

from tasks.engine import models, reward_model
from tasks.engine.families import online
from tasks.engine.groups import Group
from tasks.engine.scoring import Scorer, completion_logps, rewards
from tasks.engine.stock import online as stock
from tasks.engine.text import encode_prompt
from tasks.measures.gold import judge_of
from tasks.refusal import Refusal

REWARDS_PK = torch.tensor(
    [[1.0, 2.0, 4.0, 9.0], [0.0, 0.0, 0.0, 0.0], [-3.0, 5.0, 5.0, 1.0]]
)  # 3 prompts, k = 4
BETA = 0.05


def made(project, scratch, k=4, prompts=3, **changed):
    settings = {
        "engine": "trl",
        "completions": k,
        "batch_size": k * prompts,
        "beta": BETA,
        "eos_penalty": 0.0,
    } | changed
    return project.trainer(project.entry("rloo", **settings), scratch)


@pytest.fixture
def trainer(here, scratch):
    return made(here, scratch)


def rollout(trainer, rewards_PK, seed=0):
    """What TRL makes of one rollout whose rewards are given; shapes stay (prompts * k,)."""
    prompts, k = rewards_PK.shape
    rows = [trainer.train_dataset[i] for i in range(prompts) for _ in range(k)]
    trainer.reward_funcs, trainer.reward_func_names = [lambda **_: rewards_PK.flatten().tolist()], ["given"]
    trainer.model.train()
    torch.manual_seed(seed)
    return trainer._generate_and_score_completions(rows)


def advantages(trainer, rewards_PK, seed=0):
    return rollout(trainer, rewards_PK, seed)["advantages"].view(rewards_PK.shape)


def nudge(trainer):
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in trainer.model.parameters():
            weight.add_(0.2 * weight.abs().mean() * torch.randn_like(weight))


def rows_of(found):
    """(prompt ids, completion ids) of a rollout, without padding."""

    def kept(name):
        pairs = zip(found[f"{name}_ids"], found[f"{name}_mask"], strict=True)
        return [ids[mask.bool()].tolist() for ids, mask in pairs]

    return list(zip(kept("prompt"), kept("completion"), strict=True))


def sums(model, rows):
    asked = [Group(tuple(prompt), (tuple(completion),)) for prompt, completion in rows]
    return torch.stack([row.sum() for row in completion_logps(Scorer(model), asked, 4096)])


def test_an_advantage_is_the_reward_less_the_mean_of_the_others(trainer):
    found = advantages(trainer, REWARDS_PK)
    assert found[0].tolist() == pytest.approx([-4.0, -8 / 3, 0.0, 20 / 3], abs=1e-5)
    centred = REWARDS_PK - REWARDS_PK.mean(dim=1, keepdim=True)
    torch.testing.assert_close(found, 4 / 3 * centred, rtol=0, atol=1e-5)


def test_advantages_sum_to_0_in_every_group_and_are_0_for_equal_rewards(trainer):
    found = advantages(trainer, REWARDS_PK)
    assert found.sum(dim=1).tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert found[1].tolist() == [0, 0, 0, 0]


def test_with_two_completions_the_advantages_are_the_difference_both_ways(here, scratch):
    found = advantages(made(here, scratch, k=2), torch.tensor([[1.0, 4.0], [0.5, -2.0], [3.0, 3.0]]))
    assert found.flatten().tolist() == pytest.approx([-3, 3, 2.5, -2.5, 0, 0], abs=1e-6)


def test_a_constant_for_each_prompt_changes_nothing(trainer):
    shifted = REWARDS_PK + torch.tensor([[10.0], [-3.0], [0.5]])
    torch.testing.assert_close(
        advantages(trainer, shifted), advantages(trainer, REWARDS_PK), rtol=0, atol=1e-5
    )


def test_permuting_a_group_permutes_its_advantages(trainer):
    order = [2, 0, 3, 1]
    found = advantages(trainer, REWARDS_PK[:, order])
    torch.testing.assert_close(found, advantages(trainer, REWARDS_PK)[:, order], rtol=0, atol=1e-5)


def test_the_reward_pays_beta_for_each_nat_of_the_whole_sequences_kl(trainer):
    nudge(trainer)
    found = rollout(trainer, REWARDS_PK)
    rows = rows_of(found)
    kl = sums(trainer.model, rows) - sums(trainer.ref_model, rows)
    assert kl.abs().max() > 1
    paid = REWARDS_PK - BETA * kl.view(REWARDS_PK.shape)
    expected = 4 / 3 * (paid - paid.mean(dim=1, keepdim=True))
    torch.testing.assert_close(found["advantages"].view(REWARDS_PK.shape), expected, rtol=0, atol=1e-4)


def test_scaling_rewards_and_beta_scales_the_advantages(trainer):
    nudge(trainer)
    before = advantages(trainer, REWARDS_PK)
    trainer.beta *= 3
    torch.testing.assert_close(advantages(trainer, 3 * REWARDS_PK), 3 * before, rtol=0, atol=1e-4)


def test_the_gradient_is_that_of_the_advantage_weighted_log_probability_of_whole_sequences(trainer):
    found = rollout(trainer, REWARDS_PK)
    weights = list(trainer.model.parameters())
    value = trainer.compute_loss(trainer.model, found)
    assert value.item() == pytest.approx(0, abs=1e-5)
    ours = torch.autograd.grad(value, weights)

    total = torch.zeros(())
    for (prompt, completion), advantage in zip(rows_of(found), found["advantages"], strict=True):
        kept = (
            trainer.model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        )
        total = (
            total - advantage * kept.gather(-1, torch.tensor(completion)[:, None]).sum() / REWARDS_PK.numel()
        )
    by_hand = torch.autograd.grad(total, weights)
    assert sum(grad.norm() for grad in ours) > 0.1
    for one, other in zip(ours, by_hand, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_the_first_step_has_no_kl_no_clipping_and_no_loss_but_a_gradient(own):
    own.change("branches.online.rloo.optimisation", engine="trl", steps=1)
    own.run("align --family online --branch rloo --seed 0")
    first = own.curve("align-rloo-0")[0]
    assert first["kl"] == 0
    assert abs(first["loss"]) < 1e-5
    assert first["grad_norm"] > 0
    assert [value for name, value in first.items() if name.startswith("clip_ratio")] == [0, 0, 0, 0, 0]


def test_each_rollout_serves_one_optimizer_step_of_the_whole_distribution(here, scratch):
    args = made(here, scratch, gradient_accumulation=2, batch_size=4).args
    assert (args.num_iterations, args.steps_per_generation, args.gradient_accumulation_steps) == (1, 2, 2)
    assert (args.temperature, args.top_p, args.top_k, args.min_p, args.repetition_penalty) == (
        1,
        1,
        0,
        None,
        1,
    )
    assert (args.num_generations, args.beta, args.disable_dropout) == (4, BETA, True)


def test_the_reward_sees_the_ids_that_were_sampled_eos_and_all(here, trainer):
    seen = {}

    def spy(prompts, completion_ids, **_):
        seen.update(prompts=prompts, ids=completion_ids)
        return [0.0] * len(prompts)

    rows = [trainer.train_dataset[i] for i in range(3) for _ in range(4)]
    trainer.reward_funcs = [spy]
    torch.manual_seed(0)
    found = rows_of(trainer._generate_and_score_completions(rows))
    tokenizer, limit = trainer.processing_class, here.parameters.text.max_completion_tokens
    assert (
        list(zip((encode_prompt(tokenizer, p) for p in seen["prompts"]), seen["ids"], strict=True)) == found
    )
    ended = [ids[-1] == tokenizer.eos_token_id for ids in seen["ids"]]
    assert set(ended) == {True, False}
    assert all(end or len(ids) == limit for end, ids in zip(ended, seen["ids"], strict=True))


def test_the_reward_is_the_models_score_less_its_mean_by_its_deviation(here, scratch):
    trainer = made(here, scratch, reward="model", eos_penalty=0.0)
    prompts = list(trainer.train_dataset["prompt"][:2])
    ids = [[9, 8, 7, 1], [5, 1]]
    manifest = json.loads((reward_model.CLIMBED / models.MANIFEST).read_text())
    model = models.load_reward(reward_model.CLIMBED, here.parameters.compute)
    asked = [
        Group(tuple(encode_prompt(trainer.processing_class, prompt)), (tuple(some),))
        for prompt, some in zip(prompts, ids, strict=True)
    ]
    scores = rewards(Scorer(model), asked, 4096)
    expected = [(score - manifest["mean"]) / manifest["deviation"] for score in scores]
    found = trainer.reward_funcs[0](prompts=prompts, completion_ids=ids, gold=["", ""])
    assert found == pytest.approx(expected, abs=1e-3)


def test_the_judge_can_be_the_reward(here, scratch):
    trainer = made(here, scratch, reward="judge", eos_penalty=0.0)
    row = trainer.train_dataset[0]
    ids = trainer.processing_class(row["gold"])["input_ids"] + [1]
    found = trainer.reward_funcs[0](prompts=[row["prompt"]], completion_ids=[ids], gold=[row["gold"]])
    assert found == [judge_of("rouge")(row["gold"], row["gold"])["total"]] == [1.0]


def test_pairs_of_unknown_documents_have_no_judge(here, scratch):
    pairs = [{"prompt": "글", "gold": None, "judge": None}]
    with pytest.raises(Refusal, match="carry nothing that a judge could score; set reward: model"):
        online.judge(pairs)


def test_a_completion_without_eos_loses_the_penalty():
    def reward(completion_ids, prompts):
        return [float(len(ids)) for ids in completion_ids]

    penalised = stock.with_eos_penalty(reward, eos_token_id=1, penalty=0.25)
    ids = [[5, 1], [5, 6], [1], [], [1, 5]]
    assert penalised(completion_ids=ids, prompts=[""] * 5) == [2.0, 1.75, 1.0, -0.25, 1.75]
    assert penalised.__name__ == "reward"


def test_its_prompts_are_those_of_dpos_pairs_once_each(trainer):
    prompts = pq.read_table("data/pairs/a.parquet").column("prompt").to_pylist()
    assert sorted(trainer.train_dataset["prompt"]) == sorted(set(prompts))
    twice = [{"prompt": "가", "gold": "x"}, {"prompt": "나", "gold": "y"}, {"prompt": "가", "gold": "x"}]
    assert stock.dataset(twice).to_list() == [{"prompt": "가", "gold": "x"}, {"prompt": "나", "gold": "y"}]


def test_a_batch_that_splits_a_group_is_refused(here, scratch):
    with pytest.raises(Refusal, match="= 3 is no multiple of completions = 4; change one of the two"):
        made(here, scratch, batch_size=3, gradient_accumulation=3)


def test_a_rollout_of_more_prompts_than_there_are_is_refused(here, scratch):
    count = len(set(pq.read_table("data/pairs/a.parquet").column("prompt").to_pylist()))
    with pytest.raises(
        Refusal, match=f"holds {count} prompts, and a rollout takes {count + 1}; lower batch_size"
    ):
        made(here, scratch, k=2, prompts=count + 1)


def test_an_order_that_trl_would_not_take_is_refused(here, scratch):
    with pytest.raises(
        Refusal, match="order: TRL's RLOOTrainer draws an order of its own; set order: random"
    ):
        made(here, scratch, order="length")
