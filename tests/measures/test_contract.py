"""The fairness contract: each term by itself, all differences at once, what may differ and is told, what is spent."""

import pytest

from tasks.measures import contract, contract_table

SFT, BASE, CLIMBED = "5" * 64, "b" * 64, "c" * 64  # as in the world
KEYS = [("x", "greedy", 0), ("y", "greedy", 0), ("x", "sampled", 0), ("y", "sampled", 0)]


# ---- one difference --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*contract.TERMS, *contract.WHERE_TOLD])
@pytest.mark.parametrize("value", ["other", None])
def test_a_single_other_value_of_a_term_is_refused_by_its_name(name, value, world):
    if name in contract.WHERE_TOLD:
        for model in world.evaluations:
            world.change(model, name, "own")
    world.change("dpo-1", name, value)
    if name == "tokenizer_sha256":
        world.change("dpo-1", "model_tokenizer_sha256", value)
    told = world.refused()
    assert told.startswith(
        f"reports/evaluation/dpo-1: {name} is {value}, that of sft is "
    )  # it alone is named
    assert "; evaluate all alike: " in told
    assert told.endswith("`dvc repro --force --single-item evaluate-pairs@dpo-1`")


def test_the_entries_of_a_mapping_that_differ_are_named_and_no_other(world):
    world.change("rloo-0", "decoding", {"max_new_tokens": 64, "samples": 1, "seed": 7, "temperature": 1.0})
    assert "decoding is {'seed': 7}, that of sft is {'seed': 0};" in world.refused()


def test_hashes_are_told_by_their_first_12_digits(world):
    world.change("dpo-0", "prompts_sha256", "f" * 64)
    assert f"prompts_sha256 is {'f' * 12}, that of sft is {'2' * 12};" in world.refused()


def test_a_model_that_was_saved_with_another_tokenizer_is_refused(world):
    world.change("rloo-1", "model_tokenizer_sha256", "f" * 64)
    assert f"its own tokenizer is {'f' * 12}, it was evaluated by {'6' * 12}" in world.refused()


def test_an_evaluation_of_sft_that_is_not_of_the_reference_is_refused(world):
    world.change("sft", "model_sha256", "f" * 64)
    assert "reports/evaluation/sft: model_sha256 is not reference_sha256" in world.refused()


def test_an_evaluation_without_the_terms_is_refused_with_all_their_names(world):
    for model in world.evaluations:
        world.evaluations[model].summary["contract"] = {}
    told = world.refused()
    assert (
        "evaluation/sft: does not tell documents_sha256, tokenizer_sha256, template_sha256, decoding, "
        in told
    )


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (KEYS[::-1], "holds the same rows in another order than sft"),
        ([KEYS[1], KEYS[0], *KEYS[2:]], "holds the same rows in another order than sft"),
        ([("z", *key[1:]) if key[0] == "x" else key for key in KEYS], "holds other rows than sft"),
        (KEYS[:3], "holds 3 rows, sft 4"),
    ],
)
def test_rows_that_are_not_sfts_one_for_one_are_refused(keys, said, world):
    world.table("dpo-0", *keys)
    assert f"reports/evaluation/dpo-0: {said}" in world.refused()


# ---- several ---------------------------------------------------------------------------------------------------------


def test_all_differences_are_named_at_once(world):
    world.change("dpo-0", "tokenizer_sha256", "f" * 64)
    world.change("dpo-0", "model_tokenizer_sha256", "f" * 64)
    world.change("rloo-1", "device", "cuda")
    world.records["align-dpo-1"]["start_sha256"] = BASE
    del world.records["align-rloo-0"]
    told = world.refused()
    assert told.startswith("the branches cannot be ranked: 4 undeclared differences: (1) ")
    assert "evaluation/dpo-0: tokenizer_sha256 is ffffffffffff, that of sft is 666666666666" in told
    assert "evaluation/rloo-1: device is cuda, that of sft is cpu" in told
    assert "align-rloo-0.json: there is no record of this training" in told
    assert "align-dpo-1.json: start_sha256 is bbbbbbbbbbbb, that of models/sft is 555555555555" in told
    for stage in (
        "evaluate-pairs@dpo-0",
        "evaluate-online@rloo-1",
        "align-online@rloo-0",
        "align-pairs@dpo-1",
    ):
        assert f"--single-item {stage}`" in told


def test_models_with_the_same_other_value_are_named_together(world):
    for model in ("dpo-0", "dpo-1", "rloo-1"):
        world.change(model, "split", "validation")
    world.change("rloo-0", "split", "train")
    told = world.refused()
    assert "(1) reports/evaluation/{dpo-0,dpo-1,rloo-1}: split is validation, that of sft is test" in told
    assert "(2) reports/evaluation/rloo-0: split is train" in told


# ---- what is agreed --------------------------------------------------------------------------------------------------


def test_what_all_share_is_told_whole(world):
    terms = world.agreed().terms
    assert terms["start_sha256"] == terms["reference_sha256"] == SFT
    assert (terms["pairs_sha256"], terms["climbed_sha256"]) == ("a" * 64, CLIMBED)
    assert terms["decoding"] == {"max_new_tokens": 64, "samples": 1, "seed": 0, "temperature": 1.0}
    assert set(contract.TERMS) < terms.keys()
    assert "signatures" not in terms


def test_trainings_that_are_alike_in_all_declare_nothing(world):
    del world.branches["rloo"]
    world.add("ipo", "pairs")
    assert world.agreed().differences == []


def test_what_was_spent_differs_and_is_told_from_least_to_most(world):
    world.branches["dpo"]["trials"] = 9
    world.records["align-dpo-1"]["tokens"] = 2001  # of 1000 and 2001 the mean is 1500.5, to the even 1500
    agreed = world.agreed()
    assert agreed.branches["dpo"]["budget"]["tokens"] == 1500
    assert agreed.differences == [
        "rloo knows the pairs' reward model",
        "steps: 24 (rloo) to 36 (dpo)",
        "tokens trained on: 1,000 (rloo) to 1,500 (dpo)",
        "generated tokens: 0 (dpo) to 500 (rloo)",
        "reward calls: 0 (dpo) to 40 (rloo)",
        "trials: 0 (rloo) to 9 (dpo)",
    ]


def test_another_way_of_computing_an_evaluation_is_told(world):
    world.change("rloo-1", "numerics", "rows")
    assert "rloo is evaluated by rows, sft by shared prompts, block" in world.agreed().differences


# ---- as tables -------------------------------------------------------------------------------------------------------


def test_the_tables_hold_every_term_short_and_every_difference(world):
    agreed = world.agreed()
    terms, differences = contract_table.tables({"contract": agreed._asdict()})
    shown = dict(terms.rows)
    assert shown["tokenizer"] == "6" * 12
    assert shown["its scale"] == "deviation 0.5, mean 0.25"
    assert len(shown) == len(agreed.terms)
    assert [row[0] for row in differences.rows] == agreed.differences


def test_a_term_that_the_table_does_not_know_is_shown_by_its_name(world):
    found = {"terms": {"newest": 3}, "branches": {}, "differences": []}
    assert [table.rows for table in contract_table.tables({"contract": found})] == [[["newest", "3"]]]


def test_a_comparison_that_was_made_without_a_contract_has_no_table():
    assert contract_table.tables({}) == []
