"""The cost of a training and of a point, by hand."""

import pytest

from tasks.measures import expense

NAMES = ("dpo", "same", "worse", "unknown")


def comparison(**contract):
    verdicts = {"dpo": "higher", "same": "cannot tell apart", "worse": "lower", "unknown": "higher"}
    rows = [
        {"left": name, "right": "sft", "measure": "gold", "difference": 0.04, "verdict": verdicts[name]}
        for name in NAMES
    ]
    return {
        "headline": "gold",
        "branches": [{"name": name} for name in NAMES],
        "differences": {"greedy": rows},
        **contract,
    }


BUDGET = {"budget": {"tokens": 100_000, "generated_tokens": 20_000}}
COSTS = {
    **{name: [{"seconds": 30.0, "peak_memory_bytes": 3 * 2**30}, {"seconds": 50.0}] for name in NAMES[:3]},
    "unknown": [{}],
}


def test_a_point_costs_what_the_training_costs_over_how_many_were_gained():
    """0.04 is 4 points: 40 seconds are 10 a point, 120,000 tokens 30,000."""
    found = comparison(contract={"branches": dict.fromkeys(NAMES, BUDGET)})
    table = expense.table(found, COSTS)
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["dpo"] == ["40", "100,000", "20,000", "3,072", "10", "30,000"]
    assert rows["same"] == rows["worse"] == ["40", "100,000", "20,000", "3,072", "-", "-"]
    assert rows["unknown"] == ["-", "100,000", "20,000", "-", "-", "30,000"]
    assert table.header[-2:] == ["seconds for 0.01 of gold", "tokens for 0.01 of gold"]
    assert table.note.endswith(
        "No cost per point, as lower than sft: worse. No cost per point, as not told apart from sft: same. "
        "No seconds were recorded here: unknown."
    )


def test_without_a_contract_nothing_is_known_of_tokens():
    assert expense.table(comparison(), COSTS).rows[0] == ["dpo", "40", "-", "-", "3,072", "10", "-"]


@pytest.mark.parametrize(("branch", "points"), [("dpo", pytest.approx(4)), ("same", None), ("worse", None)])
def test_only_a_gain_that_is_told_apart_is_one(branch, points):
    assert expense.points(comparison(), branch) == points


def test_a_branch_that_goes_on_from_others_costs_these_too():
    """`same` goes on from `dpo`, and `unknown`, without seconds, ends the sum."""
    found = comparison(contract={"branches": dict.fromkeys(NAMES, BUDGET)})
    after = {"dpo": "same", "same": "worse", "worse": "sft", "unknown": "sft"}
    found["branches"] = [{"name": name, "settings": {"after": after[name]}} for name in NAMES]
    assert expense.chain(found, "dpo") == ["dpo", "same", "worse"]
    assert expense.whole(found, COSTS, "dpo", "seconds") == 3 * 40
    row = expense.table(found, COSTS).rows[0]
    assert row[1:] == ["40", "100,000", "20,000", "3,072", "30", "90,000"]  # 120 and 360,000 for 4 points
    found["branches"][2]["settings"]["after"] = "unknown"
    assert expense.whole(found, COSTS, "dpo", "seconds") is None
