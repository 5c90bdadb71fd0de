"""Loss, gradients and advantages against TRL's own trainers on the same batches."""

from types import SimpleNamespace

import pytest
import torch
from datasets import Dataset
from peft import get_peft_model
from trl import DPOConfig, RewardConfig, RewardTrainer, RLOOConfig, SFTConfig, SFTTrainer
from trl.trainer import rloo_trainer

from tasks import methods
from tasks.engine.families.online import Drawing, Reference, Rollouts, Sampled
from tasks.engine.families.pairs import Known, Preferences
from tasks.engine.groups import Group
from tasks.engine.reward_training import BradleyTerry
from tasks.engine.scoring import Scorer
from tasks.engine.stock import online as stock_online
from tasks.engine.stock import pairs as stock_pairs
from tasks.engine.stock import reward as stock_reward
from tasks.engine.stock import sft as stock_sft
from tasks.engine.training import adapter
from tasks.settings import Lora
from tasks.sft import Supervised

SHAPES = ["llama", "qwen2", "gemma2"]
CLOSE = 1e-5
LORA = Lora(rank=4, alpha=4.0, dropout=0.0, modules="all-linear")


@pytest.fixture
def common(scratch):
    """What every one of TRL's trainers is told: four rows a batch, on the CPU in float32."""
    return {
        "output_dir": str(scratch),
        "per_device_train_batch_size": 4,
        "use_cpu": True,
        "bf16": False,
        "report_to": "none",
        "activation_checkpointing": False,
        "train_sampling_strategy": "sequential",
    }


def moved(policy):
    """The same policy, its adapters no longer without effect."""
    with torch.no_grad():
        for name, weight in policy.named_parameters():
            if "lora_" in name:
                generator = torch.Generator().manual_seed(sum(name.encode()))
                weight.copy_(0.2 * torch.randn(weight.shape, generator=generator))
    return policy


def value_and_gradients(model, loss):
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return loss.detach(), torch.autograd.grad(loss, trained)


def assert_equal(ours, trls):
    """Values, and every gradient, all gradients scaled so that the largest of TRL's is 1 or less."""
    torch.testing.assert_close(ours[0], trls[0], rtol=0, atol=CLOSE)
    largest = max(float(gradient.abs().max()) for gradient in trls[1])
    assert largest > 1e-2
    for one, other in zip(ours[1], trls[1], strict=True):
        torch.testing.assert_close(one / max(1, largest), other / max(1, largest), rtol=0, atol=CLOSE)


def of_trl(trainer):
    """TRL's loss of its first batch, and the gradients."""
    trainer.model.train()
    inputs = next(iter(trainer.get_train_dataloader()))
    return value_and_gradients(trainer.model, trainer.compute_loss(trainer.model, inputs))


def ours(scorer, objective, groups):
    """Our loss of the same batch: the mean over its items."""
    scorer.model.train()
    losses = objective.losses(scorer, groups)
    assert scorer.rows is None
    return value_and_gradients(scorer.model, losses.items.mean())


def policy_of(model, lora):
    """A scorer of the policy as TRL's trainer has it."""
    if lora is not None:
        model = moved(get_peft_model(model, adapter(lora, "CAUSAL_LM", model)))
    return Scorer(model)


def sums(model, groups, one_by_one):
    with torch.no_grad():
        return [float(logps.sum()) for logps in one_by_one(model, groups)]


def of_one_length(groups):
    """The same groups, every chosen completion four tokens long."""
    return [group._replace(completions=((*group.prompt[:3], 1), *group.completions[1:])) for group in groups]


OF_DPO_TRAINER = {
    "dpo": {"beta": 0.4},
    "rpo": {"beta": 0.4, "sft_weight": 0.7},
    "robust_dpo": {"beta": 0.4, "epsilon": 0.15},
    "ipo_mean": {"tau": 0.3},
}


@pytest.mark.parametrize("name", OF_DPO_TRAINER)
@pytest.mark.parametrize("lora", [None, LORA], ids=["full", "lora"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_pairs_loss_is_trls(shape, lora, name, build, ragged, walk, one_by_one, common, tokenizer):
    """RPO's SFT term is a mean over the batch's tokens there, ours over pairs: one with chosen of one length."""
    method, groups = methods.load(name), of_one_length(ragged(2)) if name == "rpo" else ragged(2)
    entry = method.Config(method=name, **OF_DPO_TRAINER[name], optimisation=walk())
    policy = build(shape)
    trainer = stock_pairs.PairsTrainer(
        model=policy,
        ref_model=build(shape, seed=1) if lora is None else None,
        args=DPOConfig(**common, **method.trl_arguments(entry), max_length=None, disable_dropout=True),
        train_dataset=stock_pairs.dataset(groups),
        processing_class=tokenizer,
        peft_config=adapter(lora, "CAUSAL_LM", policy),
    )
    moved(trainer.model)
    reference = sums(build(shape, seed=int(lora is None)), groups, one_by_one)
    known = [group._replace(meta=Known(*reference[2 * n : 2 * n + 2])) for n, group in enumerate(groups)]
    assert_equal(ours(policy_of(build(shape), lora), Preferences(method, entry), known), of_trl(trainer))


def test_every_loss_that_has_an_engine_trl_is_held_against_it():
    named = [name for name in methods.names() if hasattr(methods.load(name), "trl_arguments")]
    assert sorted(named) == sorted([*OF_DPO_TRAINER, "rloo"])


@pytest.mark.parametrize("name", ["orpo", "simpo"])
def test_a_loss_without_reference_is_that_of_trls_experimental_trainer(name, walk, monkeypatch):
    """Of mean token log-probabilities; TRL's NLL is over the prompt too, so ORPO's is compared without it."""
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    from trl.experimental.cpo import CPOTrainer
    from trl.experimental.orpo import ORPOTrainer

    means = [-torch.rand(5, generator=torch.Generator().manual_seed(n)) * 3 - 0.01 for n in (1, 2)]
    tokens = [torch.tensor([3, 9, 1, 4, 20]), torch.tensor([5, 2, 6, 1, 11])]
    own = {"weight": 0.3} if name == "orpo" else {"beta": 2.0, "gamma": 0.7}
    method = methods.load(name)
    entry = method.Config(method=name, **own, optimisation=walk())
    found, expected = (
        [one.clone().requires_grad_() for one in means],
        [one.clone().requires_grad_() for one in means],
    )
    sums = [mean * count for mean, count in zip(found, tokens, strict=True)]
    ours = method.loss(entry, *sums, *tokens)
    if name == "orpo":
        stub = SimpleNamespace(beta=0.3, accelerator=SimpleNamespace(device="cpu"))
        trls = -expected[0] - ORPOTrainer.odds_ratio_loss(stub, *expected)[0]
    else:
        stub = SimpleNamespace(
            beta=2.0, simpo_gamma=0.7, label_smoothing=0.0, loss_type="simpo", alpha=0.0,
            accelerator=SimpleNamespace(device="cpu"),
        )  # fmt: skip
        trls = CPOTrainer.cpo_loss(stub, *expected)[0]
    torch.testing.assert_close(ours, trls, rtol=0, atol=CLOSE)
    for one, other in zip(
        torch.autograd.grad(ours.sum(), found), torch.autograd.grad(trls.sum(), expected), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=CLOSE)


@pytest.mark.parametrize("lora", [None, LORA], ids=["full", "lora"])
@pytest.mark.parametrize("shape", SHAPES)
def test_rloo_is_trls(shape, lora, build, ragged, walk, one_by_one, common, tokenizer, monkeypatch):
    """On the same completions and rewards: the advantages that TRL makes of them, its loss, every gradient."""
    rloo, completions = methods.load("rloo"), 4
    groups = ragged(completions, prompts=(17, 3))
    rewards = torch.randn(8, generator=torch.Generator().manual_seed(5))
    entry = rloo.Config(
        method="rloo", beta=0.1, completions=4, reward="judge", eos_penalty=0.0, optimisation=walk()
    )
    monkeypatch.setattr(rloo_trainer, "get_config_model_id", lambda _: "the reference")
    monkeypatch.setattr(rloo_trainer, "create_model_from_path", lambda *_, **__: build(shape, seed=1))
    policy = build(shape)
    trainer = GivenCompletions(
        model=policy,
        reward_funcs=lambda **_: rewards.tolist(),
        args=RLOOConfig(
            **common | {"per_device_train_batch_size": 8},
            **rloo.trl_arguments(entry),
            disable_dropout=True,
        ),
        train_dataset=Dataset.from_dict({"prompt": ["w5", "w6"]}),
        processing_class=tokenizer,
        peft_config=adapter(lora, "CAUSAL_LM", policy),
    )
    moved(trainer.model).train()
    trainer.given = groups
    inputs = trainer._generate_and_score_completions([{"prompt": "w5"}] * 8)
    trls = value_and_gradients(trainer.model, trainer.compute_loss(trainer.model, inputs))

    reference = sums(build(shape, seed=int(lora is None)), groups, one_by_one)
    known = [
        group._replace(
            meta=Sampled(*(some[4 * n : 4 * n + 4] for some in (rewards.tolist(), reference, [True] * 8)))
        )
        for n, group in enumerate(groups)
    ]
    made = []
    seen = SimpleNamespace(
        loss=rloo.loss, advantages=lambda *given: made.append(rloo.advantages(*given)) or made[-1]
    )
    objective = Rollouts(seen, entry, Drawing(len, 1, 9, 1, 0), Reference(None))
    assert_equal(ours(policy_of(build(shape), lora), objective, known), trls)
    torch.testing.assert_close(made[-1].flatten(), inputs["advantages"], rtol=0, atol=CLOSE)
    assert float(inputs["advantages"].abs().max()) > 0.5


class GivenCompletions(stock_online.OnlineTrainer):
    """The trainer of engine: trl, that answers what it is given."""

    given: list[Group]

    def _tokenize_prompts(self, prompts):
        return [list(group.prompt) for group in self.given for _ in group.completions], None, {}

    def _generate_single_turn(self, *_):
        return [list(ids) for group in self.given for ids in group.completions]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("center", [0.0, 0.3])
def test_the_reward_model_is_trls(shape, center, build, ragged, common, tokenizer):
    groups = ragged(2)
    trainer = RewardTrainer(
        model=build(shape, reward=True),
        args=RewardConfig(
            **common, center_rewards_coefficient=center or None, max_length=None, disable_dropout=True
        ),
        train_dataset=stock_reward.dataset(groups),
        processing_class=tokenizer,
    )
    mine = Scorer(build(shape, reward=True))
    assert_equal(ours(mine, BradleyTerry(center), groups), of_trl(trainer))


@pytest.mark.parametrize("shape", SHAPES)
def test_sft_is_trls(shape, build, ragged, common, tokenizer):
    groups = ragged(1)
    trainer = SFTTrainer(
        model=build(shape),
        args=SFTConfig(**common, completion_only_loss=True, max_length=None, packing=False),
        train_dataset=stock_sft.dataset(groups),
        processing_class=tokenizer,
    )
    assert_equal(ours(Scorer(build(shape)), Supervised(0.0), groups), of_trl(trainer))
