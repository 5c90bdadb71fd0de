"""The fairness contract: models are ranked only where the terms of their evaluations and trainings are the same.

A difference that params.yaml declares (another start, reward, teacher or data) is allowed and told beside the branch;
every other one is refused, all of them at once. Budgets and tuning trials are told and never refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tasks.measures.evaluations import FOLDER, SFT, SHARED, Evaluation
from tasks.measures.language import phrase, say
from tasks.measures.trainings import BUDGET, Breach, Record, Records, Trained, again, breaches, short
from tasks.refusal import Refusal

TERMS = (
    *SHARED, "documents_sha256", "split", "rows", "tokenizer_sha256", "template_sha256", "decoding", "judge",
    "judge_sha256", "reward_scale", "dtype", "device",
)  # fmt: skip
WHERE_TOLD = ("signatures",)  # terms that an evaluation need not have
WORDS = {
    "tokens": phrase("tokens trained on"),
    "generated_tokens": phrase("generated tokens"),
    "reward_calls": phrase("reward calls"),
    "steps": phrase("steps"),
    "examples": phrase("examples"),
    "trials": phrase("trials"),
}


class Contract(NamedTuple):
    """What all share, by term; by branch what it began with, learned from and spent; what differs, in words."""

    terms: dict[str, Any]
    branches: dict[str, dict[str, Any]]
    differences: list[str]


def agreed(
    evaluations: Sequence[Evaluation], branches: Sequence[Record], seeds: Sequence[int], records: Records
) -> Contract:
    """The contract of SFT's evaluation and every branch's, or a Refusal that names every undeclared difference.

    branches: as given.of tells of each. records: the files of reports/metrics, by name.
    """
    by_model = {each.model: each for each in evaluations}
    every = [Trained.of(given, seeds, records) for given in branches]
    stages = _stages(branches, seeds)
    found = [*_unlike(evaluations, stages), *_rows(evaluations, stages), *breaches(every, by_model, records)]
    if found:
        raise _refusal(found)
    sft = evaluations[0]
    terms = {"start_sha256": sft.summary["reference_sha256"]}
    terms |= {name: value for name in (*TERMS, *WHERE_TOLD) if (value := _term(sft, name)) is not None}
    for name in ("pairs_sha256", "climbed_sha256"):
        values = [one.first[name] for one in every if one.first[name]]
        terms |= {name: values[0]} if values else {}
    told = {one.given["name"]: _told(one, by_model) for one in every}
    own = [
        say("{branch} {difference}", branch=name, difference=each)
        for name, branch in told.items()
        for each in branch["differences"]
    ]
    return Contract(terms, told, [*own, *_budgets(told)])


def _told(one: Trained, evaluations: Mapping[str, Evaluation]) -> dict[str, Any]:
    """A branch's part."""
    first, names = one.first, ("start_sha256", "reference_sha256", "pairs_sha256", "climbed_sha256")
    return {
        "start": one.given["start"],
        "information": one.given["information"],
        "trials": one.given["trials"],
        **{name: first[name] for name in names},
        "data_sha256": next(iter(one.runs.values()))["data_sha256"],
        "budget": one.budget(),
        "differences": list(_declared(one, evaluations)),
    }


def _declared(one: Trained, evaluations: Mapping[str, Evaluation]) -> Iterator[str]:
    """What it has or knows besides models/sft and the pairs, in words."""
    given, made, first = one.given, one.made, one.first
    if given["family"] == "base":
        yield say("starts from models/base, without an SFT stage")
    elif given["start"] != "models/sft":
        yield say("starts from {start}", start=given["start"])
    replaced = sum(made.get(f"judge_{seed}", made.get("asked")) != made.get("asked") for seed in one.runs)
    if replaced:
        yield say("is not judged by itself in {count} of {seeds} seeds", count=replaced, seeds=len(one.runs))
    if given["information"] != "pairs":
        yield say("knows {what}", what=say(given["information"]))
    if "teacher" in made:
        if made.get("teacher_is_judge"):
            yield say("is taught by {teacher}, the judge itself", teacher=made["teacher"])
        else:
            yield say("is taught by {teacher}", teacher=made["teacher"])
    if first["pairs_sha256"] is None:
        yield say("learns from other data than the pairs")
    if first["engine"] != "gallim":
        yield say("is trained by {engine}", engine=first["engine"])
    here = _term(evaluations[SFT], "numerics")
    other = {_term(evaluations[f"{given['name']}-{seed}"], "numerics") for seed in one.runs} - {here}
    if other:
        others = ", ".join(sorted(map(str, other)))
        yield say("is evaluated by {other}, {sft} by {here}", other=others, sft=SFT, here=here)


def _budgets(branches: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Each quantity that is not the same for all, from its least to its most."""
    counts = {name: each["budget"] | {"trials": each["trials"]} for name, each in branches.items()}
    for quantity in (*BUDGET, "trials"):
        ordered = sorted(counts, key=lambda name: counts[name][quantity])
        least, most = (f"{counts[name][quantity]:,} ({name})" for name in (ordered[0], ordered[-1]))
        if counts[ordered[0]][quantity] != counts[ordered[-1]][quantity]:
            yield say("{quantity}: {least} to {most}", quantity=say(WORDS[quantity]), least=least, most=most)


def _term(evaluation: Evaluation, name: str) -> Any:
    return evaluation.summary.get("contract", {}).get(name, evaluation.summary.get(name))


def _unlike(evaluations: Sequence[Evaluation], stages: Mapping[str, str]) -> Iterator[Breach]:
    """Of each term what models have it otherwise than SFT, those with one value together."""
    first = evaluations[0]
    optional = [name for name in WHERE_TOLD if any(_term(each, name) is not None for each in evaluations)]
    untold = [name for name in TERMS if _term(first, name) is None]
    if untold:
        yield _breach([first], f"does not tell {', '.join(untold)}", stages)
    for name in (*TERMS, *optional):
        wanted = _term(first, name)
        others: dict[str, list[Evaluation]] = {}
        for each in evaluations[1:]:
            if _term(each, name) != wanted:
                others.setdefault(json.dumps(_term(each, name), sort_keys=True), []).append(each)
        for value, models in others.items():
            yield _breach(models, f"{name} is {_unlike_value(json.loads(value), wanted)}", stages)
    for each in evaluations:
        own, used = _term(each, "model_tokenizer_sha256"), _term(each, "tokenizer_sha256")
        if own != used:
            yield _breach(
                [each], f"its own tokenizer is {short(own)}, it was evaluated by {short(used)}", stages
            )
    if first.summary.get("model_sha256") != first.summary.get("reference_sha256"):
        yield _breach([first], "model_sha256 is not reference_sha256, and both are models/sft", stages)


def _unlike_value(value: Any, wanted: Any) -> str:
    """Both values; of two mappings the entries that differ."""
    if isinstance(value, dict) and isinstance(wanted, dict):
        names = sorted(name for name in value.keys() | wanted.keys() if value.get(name) != wanted.get(name))
        value, wanted = ({name: each.get(name) for name in names} for each in (value, wanted))
    return f"{short(value)}, that of {SFT} is {short(wanted)}"


def _rows(evaluations: Sequence[Evaluation], stages: Mapping[str, str]) -> Iterator[Breach]:
    """Every model whose rows are not SFT's, one for one."""
    wanted = evaluations[0].keys()
    for each in evaluations[1:]:
        keys = each.keys()
        if len(keys) != len(wanted):
            yield _breach([each], f"holds {len(keys)} rows, {SFT} {len(wanted)}", stages)
        elif keys != wanted:
            how = "the same rows in another order" if sorted(keys) == sorted(wanted) else "other rows"
            yield _breach([each], f"holds {how} than {SFT}", stages)


def _breach(some: Sequence[Evaluation], cause: str, stages: Mapping[str, str]) -> Breach:
    names = ",".join(each.model for each in some)
    place = FOLDER / (names if len(some) == 1 else f"{{{names}}}")
    return Breach(str(place), cause, f"evaluate all alike: {again(stages[some[0].model])}")


def _stages(branches: Sequence[Record], seeds: Sequence[int]) -> dict[str, str]:
    """The stage of dvc.yaml that evaluates each model."""
    every = [(each["name"], each["family"], seed) for each in branches for seed in seeds]
    return {SFT: "evaluate-sft"} | {
        f"{name}-{seed}": f"evaluate-{family}@{name}-{seed}" for name, family, seed in every
    }


def _refusal(found: Sequence[Breach]) -> Refusal:
    if len(found) == 1:
        return Refusal(*found[0])
    causes = "; ".join(f"({n}) {each.place}: {each.cause}" for n, each in enumerate(found, 1))
    cures = "; ".join(dict.fromkeys(each.cure for each in found))
    return Refusal("the branches cannot be ranked", f"{len(found)} undeclared differences: {causes}", cures)
