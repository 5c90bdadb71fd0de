"""The reward model's objectives through the stages: at their zero they are the ranking, else another model."""

import pyarrow.parquet as pq
import pytest

from tasks.engine import models, training
from tasks.engine.families.pairs import groups
from tasks.engine.fitting import GroupTrainer
from tasks.engine.reward_objectives import BradleyTerry
from tasks.refusal import Refusal

NEAR = {"weight": 0.1, "of": "differences", "dropout": 0.1, "temperature": 0.05}
SIMCSE = {"kind": "simcse", **NEAR}
SWAV = {"kind": "swav", **NEAR, "prototypes": 4, "sharpness": 0.05, "rate": 0.1}
META = {"kind": "meta", "step": 0.1}
NOTHING = [SIMCSE | {"weight": 0.0}, SWAV | {"weight": 0.0}, META | {"step": 0.0}]
LORA = {"rank": 2, "alpha": 4.0, "dropout": 0.0, "modules": "all-linear"}


def test_the_ranking_alone_is_bradley_terrys_loss_in_the_plain_trainer_to_the_bit(own, notes, scratch):
    given = own.parameters
    source, compute = given.reward.source, given.compute
    tokenizer = models.load_tokenizer(models.SFT)
    training.seed(source.seed)
    model = models.new_reward(models.SFT, compute)
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    rows = groups(tokenizer, pq.read_table("data/pairs/a.parquet").to_pylist())
    common = training.arguments(source.optimisation, compute, source.seed, scratch)
    objective = BradleyTerry(source.center)
    plain = (model, objective, rows, common, source.optimisation, compute, tokenizer)
    trainer = GroupTrainer(*plain, dropout=False, task="SEQ_CLS", said=notes.say)
    training.fit(trainer, notes, scratch)
    manifest = models.save(training.merged(trainer), tokenizer, scratch / "model")
    assert source.objective.kind == "ranking"
    assert manifest["weights_sha256"] == own.metrics["reward-a"]["weights_sha256"]


@pytest.mark.parametrize("objective", NOTHING, ids=lambda given: given["kind"])
def test_without_weight_or_step_it_is_the_ranking_to_the_bit(objective, own):
    own.change("reward.source", objective=objective)
    assert own.run("reward --fold a")["weights_sha256"] == own.metrics["reward-a"]["weights_sha256"]


@pytest.mark.parametrize("lora", [None, LORA], ids=["whole", "lora"])
@pytest.mark.parametrize("objective", [SIMCSE, SIMCSE | {"of": "pairs"}, SWAV, META], ids=lambda g: g["kind"])
def test_with_it_another_model_is_trained_and_saved_without_anything_else(objective, lora, own):
    own.change("reward.source", objective=objective)
    own.change("reward.source.optimisation", lora=lora)
    told = own.run("reward --fold a")
    assert told["weights_sha256"] != own.metrics["reward-a"]["weights_sha256"]
    made = models.load_reward("models/reward-a", own.parameters.compute)
    plain = models.new_reward(models.SFT, own.parameters.compute)
    assert made.state_dict().keys() == plain.state_dict().keys()
    assert own.run("reward --fold a") == told  # dropout and prototypes are drawn by the seed


def test_a_contrast_is_in_the_curve(own):
    own.change("reward.source", objective=SIMCSE)
    own.run("reward --fold a")
    assert all(line["contrast"] > 0 for line in own.curve("reward-a"))


@pytest.mark.parametrize("objective", [SWAV, META], ids=lambda given: given["kind"])
def test_members_are_trained_by_it_too(objective, own):
    own.change("strength", members=[3], votes={"all": {"kind": "ensemble"}})
    votes = []
    for told in ({"kind": "ranking"}, objective):
        own.change("reward.source", objective=told)
        own.run("member --by all --seed 3 --labels planted")
        votes.append(pq.read_table("data/strength/all/planted-3.parquet")["difference"].to_pylist())
    assert votes[0] != votes[1]


@pytest.mark.parametrize("objective", [SIMCSE, SWAV, META], ids=lambda given: given["kind"])
def test_trl_is_refused_what_it_cannot_do(objective, own):
    own.change("reward.source", objective=objective)
    own.change("reward.source.optimisation", engine="trl")
    with pytest.raises(Refusal, match=f"TRL's trainer of reward models knows no {objective['kind']}"):
        own.run("reward --fold a")


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        ({"kind": "rank"}, r"reward.source.objective: "),
        (SIMCSE | {"dropout": 0.0}, r"reward.source.objective.dropout: Input should be greater than 0"),
        (META | {"weight": 1.0}, r"reward.source.objective: unknown parameter 'weight'"),
    ],
)
def test_a_wrong_objective_is_refused_with_its_place(objective, said, own):
    own.change("reward.source", objective=objective)
    with pytest.raises(Refusal, match=said):
        own.run("reward --fold a")


def test_metarm_is_refused_on_pairs_that_were_not_sampled_here(own):
    rows = pq.read_table("data/pairs/a.parquet")
    strange = rows.set_column(0, "id", [[f"own:{place}" for place in range(rows.num_rows)]])
    pq.write_table(strange, "data/pairs/a.parquet")
    own.change("reward.source", objective=META)
    with pytest.raises(Refusal, match=r"the pair 'own:0' has no two candidates in data/samples.parquet"):
        own.run("reward --fold a")
