"""What a training's record has to be like, what it may declare, and what the rows of its own count for."""

import pytest

from tasks.measures import trainings

SFT, BASE, CLIMBED, OTHER = "5" * 64, "b" * 64, "c" * 64, "f" * 64  # as in the world


@pytest.mark.parametrize(
    ("record", "term", "said"),
    [
        ("align-dpo-1", "start_sha256", f"that of models/sft is {SFT[:12]}"),
        ("align-dpo-1", "reference_sha256", f"that of models/sft is {SFT[:12]}"),
        ("align-dpo-1", "weights_sha256", "that of the evaluated model is dpo 1"),
        ("align-dpo-1", "steps", "that of params.yaml is 36"),
        ("align-dpo-1", "examples", "that of its first seed is 1152"),
        ("align-dpo-1", "engine", "that of its first seed is gallim"),
        ("align-rloo-1", "reward", "that of params.yaml is model"),
        ("align-rloo-1", "climbed_sha256", f"that of models/reward-a is {CLIMBED[:12]}"),
        ("align-orpo-1", "start_sha256", f"that of models/base is {BASE[:12]}"),
        ("align-bon-1", "data_sha256", f"that of the stage best is {'9' * 12}"),
    ],
)
def test_a_single_other_value_of_a_training_is_refused_by_its_name(record, term, said, world):
    world.add_families()
    world.agreed()
    world.records[record][term] = "other"
    told = world.refused()
    assert told.startswith(f"reports/metrics/{record}.json: {term} is other, {said}; train it again: ")
    assert told.endswith(f"@{record.removeprefix('align-')}`")


def test_other_pairs_are_refused_in_whatever_rows_they_are(world):
    world.add_families()
    world.records["align-rloo-0"]["data_sha256"] = world.records["best-bon"]["pairs_sha256"] = OTHER
    told = world.refused()
    for model in ("rloo-0", "bon-0", "bon-1"):
        assert f"align-{model}.json: pairs_sha256 is {OTHER[:12]}, that of dpo is {'a' * 12}" in told


def test_a_branch_that_does_not_start_from_sft_is_refused_unless_it_is_of_the_family_base(world):
    world.add("cold", "pairs", start_sha256=BASE)
    assert "align-cold-0.json: start_sha256 is bbbbbbbbbbbb, that of models/sft is 5555" in world.refused()
    world.add("cold", "base", start_sha256=BASE)
    agreed = world.agreed()
    assert "cold starts from models/base, without an SFT stage" in agreed.differences
    assert (agreed.branches["cold"]["start"], agreed.branches["cold"]["start_sha256"]) == (
        "models/base",
        BASE,
    )
    assert agreed.terms["start_sha256"] == SFT


@pytest.mark.parametrize("untold", [*trainings.TOLD, "reference_sha256"])
def test_a_training_that_does_not_tell_enough_is_refused(untold, world):
    del world.records["align-rloo-1"][untold]
    assert f"align-rloo-1.json: does not tell {untold}; train it again" in world.refused()


def test_rows_without_a_record_are_refused(world):
    world.add_families()
    del world.records["best-bon"]
    told = world.refused()
    assert told.startswith("reports/metrics/best-bon.json: does not tell data_sha256; make its rows again")


def test_what_a_branch_knows_besides_is_declared_in_words(world):
    world.add("oracle", "online", "the judge itself", {"reward": "judge"}, reward="judge")
    world.add_families()
    assert [each for each in world.agreed().differences if ":" not in each] == [
        "rloo knows the pairs' reward model",
        "oracle knows the judge itself",
        "orpo starts from models/base, without an SFT stage",
        "bon knows the pairs' reward model",
        "zephyr knows a teacher's scores",
        "zephyr is taught by exact, the judge itself",
        "zephyr learns from other data than the pairs",
        "stock is trained by trl",
    ]


def test_what_was_drawn_and_judged_for_rows_of_its_own_counts(world):
    world.add_families()
    budgets = {name: each["budget"] for name, each in world.agreed().branches.items()}
    assert [budgets["bon"][name] for name in trainings.BUDGET] == [36, 1152, 1000, 700, 20]
    assert [budgets["rloo"][name] for name in trainings.BUDGET] == [24, 1152, 1000, 500, 40]
