"""What each branch was given, as the report tells it."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from flows import branches
from tasks.measures import given
from tasks.parameters import Parameters
from tasks.settings import Tuning

ROOT = Path(__file__).resolve().parents[2]
EVERY = Parameters.model_validate(branches.every(ROOT)).branches


def tuning(trials=3, **settings):
    return Tuning(trials=trials, split="validation", seed=100, measure="gold", best=0.6, settings=settings)


def told(name, tuned=None):
    return given.of(name, EVERY.family(name), EVERY.entries()[name], tuned)


def test_where_a_branch_starts_and_what_it_knows():
    known = {name: told(name) for name in EVERY.entries()}
    assert {one["start"] for one in known.values() if one["family"] != "base"} == {"models/sft"}
    assert known["orpo_from_base"]["start"] == "models/base"
    expected = {
        "dpo": "pairs",
        "orpo_from_base": "pairs",
        "kto": "pairs, each side alone",
        "rloo": "the pairs' reward model",
        "ppo": "the pairs' reward model",
    }
    assert {name: known[name]["information"] for name in expected} == expected


@pytest.mark.parametrize(
    ("name", "changed", "information"),
    [("rloo", {"reward": "judge"}, "the judge itself"), ("kto", {"ratings": "own"}, "rated rows")],
)
def test_who_knows_more_is_told(name, changed, information):
    entry = EVERY.entries()[name].model_copy(update=changed)
    assert given.of(name, EVERY.family(name), entry, None)["information"] == information


BUDGET = {"steps": 36, "examples": 1152, "tokens": 180669, "generated_tokens": 0, "reward_calls": 0}
AGREED = {"branches": {"dpo": {"budget": BUDGET}}, "differences": ["tokens: [red] 0 to 1"]}


@pytest.mark.parametrize(
    ("agreed", "spent"),
    [({"contract": AGREED}, ["36", "1,152", "180,669", "0", "0"]), ({}, ["-", "-", "-", "-", "-"])],
)
def test_the_coefficients_stand_in_the_table_and_how_far_it_walked(agreed, spent):
    branch = told("dpo", tuning(beta=0.5))
    branch["settings"] = dict(sorted(branch["settings"].items(), reverse=True))  # as JSON may have them
    assert given.table({"branches": [branch], **agreed}).rows[0] == [
        *("dpo", "dpo", "pairs", "models/sft", "pairs"),
        "beta 0.5, learning_rate 0.0005, steps 36, batch_size 32",
        *spent,
        "3",
    ]


def test_the_terminal_is_told_what_was_spent_and_what_differs():
    console = Console(width=200, record=True, file=StringIO())
    console.print(given.printed({"branches": [told("dpo")], "contract": AGREED}))
    text = " ".join(console.export_text().split())
    assert "180,669 tokens trained on" in text
    assert "Declared differences: tokens: [red] 0 to 1" in text  # no markup


def test_settings_changed_after_tuning_are_told():
    row = given.table({"branches": [told("dpo", tuning(beta=0.3))]}).rows[0]
    assert row[-1] == "3, then changed by hand"


@pytest.mark.parametrize(
    ("tuned", "warned"),
    [
        ([None, None], False),
        ([tuning(), tuning()], False),
        ([tuning(), None], True),
        ([tuning(), tuning(trials=9)], True),
        ([tuning(), tuning(optimisation=1)], True),  # tuned alike, but one was changed since
    ],
)
def test_only_like_budgets_are_no_warning(tuned, warned):
    every = [told(name, one) for name, one in zip(("dpo", "rloo"), tuned, strict=True)]
    assert bool(given.alarms(every)) == warned
