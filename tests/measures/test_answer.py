"""The one sentence that answers which branch to take, and what stands behind it."""

import pytest

from tasks.measures import answer, language

HIGHER, LOWER, SAME = "higher", "lower", "cannot tell apart"


def comparison(sampled=None, seeds=(0, 1, 2), warnings=(), characters=None, **verdicts):
    """`dpo__sft="higher"`: dpo minus sft on gold, greedy; `sampled` says otherwise for sampled ones."""

    def rows(verdicts):
        return [
            {
                **dict(zip(("left", "right"), names.split("__"), strict=True)),
                **{"measure": "gold", "verdict": verdict, "difference": 0.05, "low": 0.04, "high": 0.06},
            }
            for names, verdict in verdicts.items()
        ]

    names = dict.fromkeys(name for pair in verdicts for name in pair.split("__") if name != "sft")
    lengths = {name: {"characters": {"mean": 50.0}} for name in names}
    lengths |= {name: {"characters": {"mean": mean}} for name, mean in (characters or {}).items()}
    return {
        "headline": "gold",
        "branches": [{"name": name} for name in names],
        "seeds": list(seeds),
        "differences": {"greedy": rows(verdicts), "sampled": rows(verdicts | (sampled or {}))},
        "scores": {"greedy": lengths},
        "warnings": [{"branch": name} for name in warnings],
    }


def seconds(**each):
    return {name: [{"seconds": value} for value in values] for name, values in each.items()}


TWO = {"dpo__sft": HIGHER, "rloo__sft": HIGHER, "dpo__rloo": SAME}
SHOWN = "+0.050 [+0.040, +0.060]"


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (
            {"dpo__sft": HIGHER},
            f"Take dpo: higher than sft on gold, {SHOWN}, and lower than no other branch.",
        ),
        (
            {"dpo__sft": HIGHER, "rloo__sft": LOWER, "dpo__rloo": HIGHER},
            f"Take dpo: higher than sft on gold, {SHOWN}, and lower than no other branch; lower than sft: rloo.",
        ),
        ({"dpo__sft": SAME}, "Keep sft: no branch is told apart as higher on gold."),
        (
            {"dpo__sft": SAME, "rloo__sft": LOWER, "dpo__rloo": SAME},
            "Keep sft: no branch is told apart as higher on gold; lower than sft: rloo.",
        ),
        (
            {"dpo__sft": LOWER, "rloo__sft": LOWER, "dpo__rloo": HIGHER},
            "Keep sft: every branch is lower on gold: dpo, rloo.",
        ),
        (
            {"dpo__sft": HIGHER, "rloo__sft": SAME, "dpo__rloo": LOWER},
            "No clear choice: higher than sft on gold, but lower than a branch that is not told apart from sft: dpo.",
        ),
        (TWO, "dpo or rloo: both higher than sft on gold, and cannot be told apart."),
    ],
)
def test_the_sentence_follows_the_verdicts(verdicts, said):
    assert answer.answer(comparison(**verdicts), {}) == said


def test_between_branches_that_cannot_be_told_apart_a_fact_is_told():
    """The means of the seconds are 30 and 45; the lengths are asked where a branch has no seconds, or the same."""
    cheap = answer.answer(comparison(**TWO), seconds(dpo=[40, 50], rloo=[20, 40]))
    assert cheap.endswith("cannot be told apart; cheapest to train: rloo, 30 seconds (the others up to 45).")
    lengths = comparison(characters={"dpo": 61.4, "rloo": 55.0}, **TWO)
    for costs in (seconds(dpo=[40]), seconds(dpo=[40.2], rloo=[39.9]), {}):
        short = answer.answer(lengths, costs)
        assert short.endswith("; shortest summaries: rloo, 55 characters (the others up to 61).")


def test_a_branch_that_goes_on_from_another_is_as_dear_as_both():
    found = comparison(**TWO)
    found["branches"][1]["settings"] = {"after": "dpo"}  # rloo: 30 seconds, behind the 40 of dpo
    cheap = answer.answer(found, seconds(dpo=[40], rloo=[30]))
    assert cheap.endswith("cheapest to train: dpo, 40 seconds (the others up to 70).")


def test_of_many_branches_six_are_named_and_the_others_counted():
    names = [f"b{place}" for place in range(8)]
    pairs = {f"{a}__{b}": SAME for place, a in enumerate(names) for b in names[place + 1 :]}
    found = comparison(**{f"{name}__sft": HIGHER for name in names}, **pairs)
    said = answer.answer(found, {})
    assert said == (
        "One of b0, b1, b2, b3, b4, b5 and 2 more: all higher than sft on gold, and the best of them cannot be told."
    )
    lower = comparison(**{f"{name}__sft": LOWER for name in names}, **pairs)
    assert answer.answer(lower, {}).endswith("b5 and 2 more.")


def test_what_stands_behind_it():
    about = "This is about the models trained here; to say which method is better in general takes 8 seeds."
    assert answer.behind(comparison(dpo__sft=HIGHER)) == [about]
    assert answer.behind(comparison(seeds=range(8), dpo__sft=HIGHER)) == []
    torn = comparison({"dpo__sft": SAME}, range(8), ["dpo", "dpo", "rloo"], **TWO)
    assert answer.behind(torn) == [
        "Not told apart as higher on sampled summaries: dpo.",
        "Warnings below name: dpo, rloo.",
    ]
    assert answer.behind(comparison(seeds=range(8), warnings=["dpo"], dpo__sft=SAME)) == []


def test_the_sentence_in_korean():
    with language.speaking("ko"):
        assert answer.answer(comparison(dpo__sft=SAME), {}) == (
            "sft 유지: gold 기준으로 더 높다고 구별되는 분기가 없습니다."
        )
        said = answer.answer(comparison(**TWO), seconds(dpo=[10], rloo=[20]))
        assert said.startswith("dpo 또는 rloo: 둘 다 gold 기준으로 sft보다 높으며 서로 구별할 수 없습니다; ")
        assert said.endswith("학습 비용이 가장 적은 분기: dpo, 10초(나머지는 최대 20초).")
