"""Prompt groups: what is merged, where it is found again, how it is packed."""

from itertools import combinations, pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine import groups
from tasks.engine.groups import Group
from tasks.engine.scoring import Scorer

EOS = 1
A, B, C = (5, 6, EOS), (7, EOS), (5, 6, 8, EOS)

ids = st.lists(st.integers(2, 4), max_size=3).map(lambda some: (*some, EOS))
some_groups = st.lists(
    st.builds(
        Group,
        st.lists(st.integers(2, 3), min_size=1, max_size=3).map(tuple),
        st.lists(ids, min_size=1, max_size=3).map(tuple),
        st.none(),
    ),
    min_size=1,
    max_size=5,
)


def rows(asked):
    """The rows of a plan with padding 0."""
    return groups.rows(asked, 0)


def found(plan):
    """The ids of every completion asked for, as the plan's targets have them."""
    cut = groups.split(plan.targets, plan.lengths)
    return [tuple(cut[place].tolist()) for place in plan.places.tolist()]


@given(some_groups)
def test_every_completion_asked_for_is_found_in_order_and_every_different_one_is_held_once(asked):
    wanted = [completion for group in asked for completion in group.completions]
    different = {(group.prompt, completion) for group in asked for completion in group.completions}
    for plan in (groups.shared(asked), rows(asked)):
        assert found(plan) == wanted
        assert len(plan.lengths) == len(different)
        assert plan.owners.tolist() == [n for n, length in enumerate(plan.lengths) for _ in range(length)]
    stream = sum(map(len, {group.prompt for group in asked})) + sum(len(one) for _, one in different)
    assert groups.shared(asked).input_ids.shape == (1, stream)
    assert len(rows(asked).input_ids) == len(different)


@given(some_groups)
def test_predictors_stand_one_before_their_targets_and_ends_on_the_last(asked):
    plan = groups.shared(asked)
    stream, positions = plan.input_ids[0], plan.forward["position_ids"][0]
    starts = groups.starts(plan.lengths)
    for number, length in enumerate(plan.lengths):
        predictors = plan.predictors[starts[number] : starts[number + 1]]
        targets = plan.targets[starts[number] : starts[number + 1]]
        assert positions[predictors].diff().tolist() == [1] * (length - 1)
        assert stream[predictors[1:]].tolist() == targets[:-1].tolist()
        assert stream[plan.ends[number]] == targets[-1] == EOS
        assert positions[plan.ends[number]] == positions[predictors[0]] + length
    padded = rows(asked)
    flat = padded.input_ids.flatten()
    assert flat[padded.predictors + 1].tolist() == padded.targets.tolist()
    assert flat[padded.ends].tolist() == [EOS] * len(padded.lengths)


def test_positions_start_again_behind_the_prompt_and_with_every_prompt():
    plan = groups.shared([Group((2, 3, 4), (A, B)), Group((9,), (C,))])
    assert plan.input_ids.tolist() == [[2, 3, 4, *A, *B, 9, *C]]
    assert plan.forward["position_ids"].tolist() == [[0, 1, 2, 3, 4, 5, 3, 4, 0, 1, 2, 3, 4]]
    assert plan.predictors.tolist() == [2, 3, 4, 2, 6, 8, 9, 10, 11]
    assert plan.ends.tolist() == [5, 7, 12]
    assert plan.row_lengths.tolist() == [[6, 6, 6, 6, 6, 6, 5, 5, 5, 5, 5, 5, 5]]


def test_rows_are_padded_on_the_right_and_know_their_lengths():
    plan = rows([Group((2, 3, 4), (A, B)), Group((9,), (C,))])
    assert plan.input_ids.tolist() == [[2, 3, 4, *A], [2, 3, 4, *B, 0], [9, *C, 0]]
    assert plan.forward["attention_mask"].tolist() == [[1] * 6, [1] * 5 + [0], [1] * 5 + [0]]
    assert plan.row_lengths.tolist() == [[6] * 6, [5] * 5 + [0], [5] * 5 + [0]]


def test_six_pairs_of_one_prompt_hold_their_four_completions_once():
    four = (A, B, C, (EOS,))
    plan = groups.shared([Group((2, 3, 4), pair) for pair in combinations(four, 2)])
    assert plan.input_ids.tolist() == [[2, 3, 4, *A, *B, *C, EOS]]
    assert plan.places.tolist() == [0, 1, 0, 2, 0, 3, 1, 2, 1, 3, 2, 3]


def test_equal_completions_of_different_prompts_stay_apart():
    plan = groups.shared([Group((2, 3), (A,)), Group((3, 2), (A,))])
    assert plan.places.tolist() == [0, 1]
    assert len(plan.targets) == 2 * len(A)


@pytest.mark.parametrize("shape", ["llama", "qwen2", "gemma2"])
def test_merged_groups_have_the_numbers_and_gradients_of_separate_ones(shape, build):
    model = build(shape)
    prompt = tuple(range(2, 15))
    asked = [Group(prompt, pair) for pair in combinations((A, B, C, (EOS,)), 2)]
    weights = torch.linspace(-1, 1, 12)

    def numbers(*packs):
        scorer = Scorer(model)
        sums = torch.cat([scorer.score(pack).sums() for pack in packs])
        return sums, torch.autograd.grad((sums * weights).sum() / 20, list(model.parameters()))

    torch.testing.assert_close(numbers(asked), numbers(*[[one] for one in asked]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", ["llama", "qwen2", "gemma2"])
def test_rows_and_shared_plans_give_the_same_numbers(shape, build, ragged):
    asked = [*ragged(3), *ragged(2)[:2], *ragged(3)[:1]]
    shared, naive = (Scorer(build(shape)) for _ in range(2))
    naive.rows = "asked for"
    with torch.no_grad():
        ours, theirs = (scorer.score(asked, entropy=True) for scorer in (shared, naive))
    torch.testing.assert_close(ours.per_token(), theirs.per_token(), rtol=0, atol=1e-5)
    torch.testing.assert_close(ours.sums(), theirs.sums(), rtol=0, atol=5e-5)
    torch.testing.assert_close(ours.entropy, theirs.entropy, rtol=0, atol=1e-5)
    assert (
        ours.tokens().tolist() == theirs.tokens().tolist() == [len(c) for g in asked for c in g.completions]
    )


@given(some_groups, st.integers(1, 30), st.booleans())
def test_packs_hold_every_group_once_within_the_budget_and_no_pack_could_take_the_next(
    asked, budget, by_length
):
    packs = list(groups.packed(asked, budget, by_length=by_length))
    order = [number for pack in packs for number in pack]
    assert sorted(order) == list(range(len(asked)))
    if by_length:
        assert [len(asked[n].prompt) for n in order] == sorted(len(group.prompt) for group in asked)
    else:
        assert order == sorted(order)
    for pack in packs:
        assert pack
        assert len(pack) == 1 or sum(asked[number].tokens for number in pack) <= budget
    for pack, following in pairwise(packs):
        assert sum(asked[number].tokens for number in [*pack, following[0]]) > budget


def test_a_groups_tokens_count_its_prompt_once():
    assert Group((2, 3, 4), (A, B)).tokens == 8
