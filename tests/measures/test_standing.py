"""Champion and challengers by verdicts alone."""

import pytest

from tasks.measures.standing import Standing, standing

HIGHER, LOWER, SAME = "higher", "lower", "cannot tell apart"


def comparison(**verdicts: str) -> dict:
    """`dpo__sft="higher"`: dpo minus sft; and rows of another measure, which say the contrary."""
    rows = []
    for names, verdict in verdicts.items():
        left, right = names.split("__")
        contrary = {HIGHER: LOWER, LOWER: HIGHER, SAME: HIGHER}[verdict]
        rows.append({"left": left, "right": right, "measure": "gold", "verdict": verdict})
        rows.append({"left": left, "right": right, "measure": "reward", "verdict": contrary})
    names = dict.fromkeys(name for row in rows for name in (row["left"], row["right"]) if name != "sft")
    return {
        "headline": "gold",
        "branches": [{"name": name} for name in names],
        "differences": {"greedy": rows},
    }


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ({"dpo__sft": HIGHER}, Standing("dpo", ())),
        ({"dpo__sft": SAME}, Standing(None, ())),
        ({"dpo__sft": LOWER}, Standing(None, ())),
        ({"dpo__sft": HIGHER, "rloo__sft": HIGHER, "dpo__rloo": LOWER}, Standing("rloo", ())),
        ({"dpo__sft": HIGHER, "rloo__sft": HIGHER, "dpo__rloo": HIGHER}, Standing("dpo", ())),
        ({"dpo__sft": HIGHER, "rloo__sft": HIGHER, "dpo__rloo": SAME}, Standing(None, ("dpo", "rloo"))),
        # rloo is not known to be above sft, so that it is no rival, though nobody can tell it from dpo
        ({"dpo__sft": HIGHER, "rloo__sft": SAME, "dpo__rloo": SAME}, Standing("dpo", ())),
        # above sft and below a branch that is not: intervals are no order
        ({"dpo__sft": HIGHER, "rloo__sft": SAME, "dpo__rloo": LOWER}, Standing(None, ())),
        ({"dpo__sft": LOWER, "rloo__sft": LOWER, "dpo__rloo": HIGHER}, Standing(None, ())),
        # kto is below rloo alone: two are left, and neither is the other's better
        (
            {"dpo__sft": HIGHER, "rloo__sft": HIGHER, "kto__sft": HIGHER}
            | {"dpo__rloo": SAME, "dpo__kto": SAME, "rloo__kto": HIGHER},
            Standing(None, ("dpo", "rloo")),
        ),
    ],
)
def test_the_verdicts_decide(verdicts: dict[str, str], expected: Standing):
    assert standing(comparison(**verdicts)) == expected
