"""The unpaired family: whose summary measures the divergence, what a batch holds, what it refuses."""

from collections import Counter

import pytest
import torch

from tasks import methods
from tasks.engine.families import unpaired
from tasks.engine.groups import Group
from tasks.engine.references import References
from tasks.engine.scoring import Scorer
from tasks.engine.training import in_order
from tasks.refusal import Refusal


@pytest.fixture
def rows(tokenizer):
    """Five prompts with two rated summaries each, and a sixth with a single one."""
    made = [
        {"prompt": f"w{30 + p} w{40 + p}", "completion": f"w{50 + p} w{60 + 10 * n}", "desirable": n == 0}
        for p in range(6)
        for n in range(2)
    ]
    return made[:-1]


@pytest.fixture
def entry(walk):
    kto = methods.load("kto")

    def made(**changed):
        own = {"beta": 0.1, "desirable_weight": 1.0, "undesirable_weight": 1.0, "ratings": "pairs"}
        return kto.Config(method="kto", optimisation=walk(), **{**own, **changed})

    return made


def test_the_other_summary_is_another_prompts_and_the_circle_is_the_seeds(rows, tokenizer):
    found = unpaired.groups(tokenizer, rows, seed=3)
    own = {group.prompt: {row.completion for row in group.meta} for group in found}
    assert len(found) == 6
    for group in found:
        for row in group.meta:
            assert row.other not in own[group.prompt]
            assert any(row.other in others for others in own.values())
    assert unpaired.groups(tokenizer, rows, seed=3) == found
    assert unpaired.groups(tokenizer, rows, seed=4) != found


def test_every_row_is_there_once_with_its_label(rows, tokenizer):
    found = unpaired.groups(tokenizer, rows, seed=0)
    assert Counter(row.desirable for group in found for row in group.meta) == {True: 6, False: 5}
    assert sum(len(group.meta) for group in found) == len(rows)


def test_a_batch_of_whole_epochs_never_has_a_prompt_twice(walk):
    order = in_order([1] * 7, walk(steps=50), seed=0, size=3, whole_epochs=True)
    batches = [order[start : start + 3] for start in range(0, len(order), 3)]
    assert len(batches) == 50
    assert all(len(set(batch)) == 3 for batch in batches)
    assert set(order) == set(range(7))
    crossing = in_order([1] * 7, walk(steps=50), seed=0, size=3)
    assert any(len(set(crossing[s : s + 3])) < 3 for s in range(0, 150, 3))


@pytest.fixture
def ready(rows, tokenizer, build, machine, entry):
    """Groups with their reference, another policy, and the family's objective."""
    data, compute = unpaired.groups(tokenizer, rows, seed=0), machine()
    asked = [Group(g.prompt, tuple(ids for row in g.meta for ids in row[:2])) for g in data]
    sums = iter(References.compute(Scorer(build("llama", seed=1)), asked, "r", compute).sums(asked))
    data = [
        g._replace(meta=[row._replace(reference=next(sums), other_reference=next(sums)) for row in g.meta])
        for g in data
    ]
    objective = unpaired.Ratings(methods.load("kto"), entry(), tokens_at_once=10_000, seed=0)
    return data, Scorer(build("llama")), objective


def test_kl_is_the_mean_log_ratio_of_the_other_summaries_and_never_below_0(ready, one_by_one, build):
    data, scorer, objective = ready
    prepared = objective.prepare(scorer, data, place=0)
    drawn = {
        group.prompt: next(row for row in known.meta if row.completion == group.completions[0])
        for group, known in zip(prepared, data, strict=True)
    }
    others = [Group(prompt, (row.other,)) for prompt, row in drawn.items()]
    with torch.no_grad():
        policy, reference = (
            torch.stack([logps.sum() for logps in one_by_one(model, others)])
            for model in (scorer.model, build("llama", seed=1))
        )
    by_hand = max(0.0, float((policy - reference).mean()))
    assert [group.meta.kl for group in prepared] == pytest.approx([by_hand] * 6, abs=1e-4)
    lower = [
        g._replace(meta=[row._replace(other_reference=row.other_reference + 1e3) for row in g.meta])
        for g in data
    ]
    assert {group.meta.kl for group in objective.prepare(scorer, lower, place=0)} == {0.0}
    higher = [
        g._replace(meta=[row._replace(other_reference=row.other_reference - 1e3) for row in g.meta])
        for g in data
    ]
    (found,) = {group.meta.kl for group in objective.prepare(scorer, higher, place=0)}
    assert found == pytest.approx(float((policy - reference).mean()) + 1e3, rel=1e-4)


def test_a_step_does_not_depend_on_how_its_batch_is_packed(ready, entry):
    data, scorer, objective = ready
    narrow = unpaired.Ratings(methods.load("kto"), entry(), tokens_at_once=8, seed=0)
    one, other = (each.prepare(scorer, data, place=0) for each in (objective, narrow))
    assert [group.completions for group in one] == [group.completions for group in other]
    for group, same in zip(one, other, strict=True):
        assert group.meta.kl == pytest.approx(same.meta.kl, abs=1e-5)


def test_the_row_that_is_drawn_depends_on_seed_and_place_alone(ready):
    data, scorer, objective = ready
    whole = objective.prepare(scorer, data, place=0)
    cut = objective.prepare(scorer, data[:2], place=0) + objective.prepare(scorer, data[2:], place=2)
    assert [group.completions for group in whole] == [group.completions for group in cut]
    later = [objective.prepare(scorer, data, place=place) for place in range(6, 48, 6)]
    assert any([g.completions for g in one] != [g.completions for g in whole] for one in later)


def test_the_loss_is_the_methods_on_what_was_drawn(ready, entry):
    data, scorer, objective = ready
    prepared = objective.prepare(scorer, data, place=0)
    losses = objective.losses(scorer, prepared)
    assert losses.items.shape == (6,)
    r = [float(scorer.score([group]).sums().detach()) - group.meta.reference for group in prepared]
    good = [group.meta.desirable for group in prepared]
    by_hand = methods.load("kto").loss(
        entry(),
        torch.tensor(r),
        torch.zeros(6),
        torch.tensor(good),
        torch.tensor(prepared[0].meta.kl),
    )
    torch.testing.assert_close(losses.items.detach(), by_hand, rtol=0, atol=1e-5)
    assert losses.numbers["rewards/chosen"].numel() == sum(good)


def test_weights_that_do_not_suit_the_counts_are_told_with_those_that_would(rows, tokenizer, entry):
    data = unpaired.groups(tokenizer, rows, seed=0)  # 3.5 good rows an epoch, and 2.5 bad ones
    told = unpaired.unbalanced(entry(), data)
    assert "good rows weigh 1.40 times the bad ones" in told
    assert "desirable_weight of 0.71 to 0.95 would do that" in told
    assert unpaired.unbalanced(entry(desirable_weight=0.8), data) is None


def test_rows_of_one_kind_are_refused(rows, tokenizer, entry):
    good = unpaired.groups(tokenizer, [row for row in rows if row["desirable"]], seed=0)
    with pytest.raises(Refusal, match="every rated summary is good"):
        unpaired.unbalanced(entry(), good)


@pytest.mark.parametrize("size", [1, 1000])
def test_a_batch_that_the_prompts_cannot_make_is_refused(size, here, scratch):
    walk = here.entry("dpo").optimisation.model_dump() | {"batch_size": size}
    own = {"beta": 0.1, "desirable_weight": 1.0, "undesirable_weight": 1.0, "ratings": "pairs"}
    entry = methods.load("kto").Config.model_validate({"method": "kto", "optimisation": walk, **own})
    with pytest.raises(Refusal, match=rf"a batch of {size} cannot be made of \d+ prompts"):
        here.trainer(entry, scratch)
