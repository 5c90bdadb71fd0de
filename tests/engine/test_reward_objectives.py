"""A reward model's contrastive objectives: ranking and contrast added up, dropout on, prototypes learned and kept."""

import pytest
import torch
from torch.nn.functional import dropout, normalize

from tasks.engine import contrast
from tasks.engine.reward_objectives import BradleyTerry, contrastive
from tasks.engine.scoring import Scorer
from tasks.sections.objectives import Simcse, Swav

SIMCSE = {"kind": "simcse", "weight": 0.5, "of": "pairs", "dropout": 0.1, "temperature": 0.05}
SWAV = SIMCSE | {"kind": "swav", "temperature": 0.1, "prototypes": 5, "sharpness": 0.05, "rate": 0.1}


@pytest.fixture
def scorer(build):
    return Scorer(build("llama", reward=True))


def passes(scorer, pack, of, seed=0):
    """Two passes with dropout on the embeddings, as rows of `of`."""
    torch.manual_seed(seed)
    found = []
    for _ in range(2):
        rows = scorer.representations(pack, embed=lambda given, _: dropout(given, 0.1))
        chosen, rejected = rows[::2], rows[1::2]
        found.append(
            contrast.both_ways(chosen, rejected) if of == "differences" else torch.cat([chosen, rejected])
        )
    return found


@pytest.mark.parametrize("of", ["pairs", "differences"])
def test_the_loss_is_the_ranking_and_weight_times_the_mean_of_the_pairs_two_rows(of, scorer, ragged):
    pack, told = ragged(2), Simcse.model_validate(SIMCSE | {"of": of})
    ranked = BradleyTerry(0.01).losses(scorer, pack).items
    rows = contrast.simcse(*passes(scorer, pack, of), 0.05)
    torch.manual_seed(0)
    found = contrastive(0.01, told, 0).losses(scorer, pack)
    torch.testing.assert_close(found.items, ranked + 0.5 * (rows[:4] + rows[4:]) / 2)
    assert found.numbers["contrast"].shape == (4,)


def test_the_contrast_has_a_gradient_in_the_model(scorer, ragged):
    found = contrastive(0.0, Simcse.model_validate(SIMCSE), 0).losses(scorer, ragged(2))
    found.items.sum().backward()
    assert float(scorer.model.get_parameter("model.layers.0.mlp.up_proj.weight").grad.abs().sum()) > 0


@pytest.mark.parametrize("shape", ["llama", "qwen2", "gemma2"])
def test_representations_are_what_the_head_reads_of_shared_prompts_and_of_rows(shape, build, ragged):
    model = build(shape, reward=True)
    shared, pack = Scorer(model), ragged(2)
    rows = shared.representations(pack)
    torch.testing.assert_close(model.score(rows)[:, 0], shared.rewards(pack))
    naive = Scorer(build(shape, reward=True))
    naive.refuse_to_share("for the test")
    torch.testing.assert_close(naive.representations(pack), rows, rtol=0, atol=1e-4)


def test_prototypes_are_unit_vectors_and_go_down_their_gradient(scorer, ragged):
    objective = contrastive(0.0, Swav.model_validate(SWAV), 3)
    objective.begun(scorer)
    before = objective.state()["prototypes"].clone()
    objective.losses(scorer, ragged(2)).items.mean().backward()
    slope = objective.prototypes_KE.grad
    objective.stepped(scorer, 1)
    after = objective.state()["prototypes"]
    assert before.norm(dim=1).tolist() == pytest.approx([1] * 5)
    torch.testing.assert_close(after, normalize(before - 0.1 * slope, dim=1))
    assert not torch.equal(after, before)
    objective.stepped(scorer, 2)  # without a gradient nothing moves
    assert torch.equal(objective.state()["prototypes"], after)


def test_prototypes_are_drawn_by_the_seed_and_come_back_from_a_checkpoint(scorer):
    many = Swav.model_validate(SWAV | {"prototypes": 64})
    one, other, third = (contrastive(0.0, many, seed) for seed in (3, 3, 4))
    for objective in (one, other, third):
        objective.begun(scorer)
    assert torch.equal(one.prototypes_KE, other.prototypes_KE)
    assert not torch.equal(one.prototypes_KE, third.prototypes_KE)
    third.restore(one.state())
    assert torch.equal(third.prototypes_KE, one.prototypes_KE), "to the last bit"
    assert not torch.equal(normalize(one.prototypes_KE, dim=1), one.prototypes_KE), (
        "which is no matter of course"
    )
    assert third.prototypes_KE.requires_grad
