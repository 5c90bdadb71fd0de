"""What the stages tell of each branch's trainings: their first bytes, what they learned from, what they spent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tasks.measures.evaluations import SFT, Evaluation

Record = Mapping[str, Any]  # a file of reports/metrics
Records = Mapping[str, Record]  # by name
# families whose rows a stage of their own makes, and which
DATA = {name: name for name in ("unpaired", "best", "feedback", "cured", "taught")} | {"iterated": "collect"}
REWARDED = ("online", "distil", "critic", "best")  # families that a reward tells what is good
BUDGET = ("steps", "examples", "tokens", "generated_tokens", "reward_calls")
ALIKE = ("examples", "engine")  # in all seeds of a branch
OF_RUN = ("start_sha256", "reference_sha256", "weights_sha256", "data_sha256", "steps", *ALIKE)
OF_SOURCE = ("pairs_sha256", "climbed_sha256", "reward")
TOLD = ("start_sha256", "weights_sha256", "data_sha256", "engine", *BUDGET)
METRICS = "reports/metrics"


class Breach(NamedTuple):
    """One difference that nothing declares."""

    place: str
    cause: str
    cure: str


class Trained(NamedTuple):
    """One branch: what it was given, its trainings by seed, and what the stage tells that made its rows, if one did."""

    given: Record
    runs: Mapping[int, Record]
    made: Record

    @classmethod
    def of(cls, given: Record, seeds: Sequence[int], records: Records) -> Trained:
        """By the records' names; one that is missing is empty."""
        name, family = given["name"], given["family"]
        runs = {seed: records.get(f"align-{name}-{seed}", {}) for seed in seeds}
        return cls(given, runs, records.get(f"{DATA[family]}-{name}", {}) if family in DATA else {})

    def facts(self, seed: int) -> dict[str, Any]:
        """What has to be as it is elsewhere, by term; None where there is none."""
        run, own = self.runs[seed], self.given["family"] in DATA
        source = self.made if own else {**run, "pairs_sha256": run.get("data_sha256")}
        return {name: run.get(name) for name in OF_RUN} | {name: source.get(name) for name in OF_SOURCE}

    @property
    def first(self) -> dict[str, Any]:
        """The facts of the first seed."""
        return self.facts(next(iter(self.runs)))

    @property
    def told_first(self) -> dict[str, Any]:
        """The facts of the first seed that had something to learn."""
        learned = [seed for seed, run in self.runs.items() if run.get("rows", 1)]
        return self.facts(learned[0]) if learned else self.first

    def data_sha256(self, seed: int) -> Any:
        """Of the rows that the stage made, for this seed where each has its own."""
        return self.made.get(f"data_sha256_{seed}", self.made.get("data_sha256"))

    def budget(self) -> dict[str, int]:
        """Of one training, the mean over seeds, with what the stage that made its rows had drawn and judged."""
        runs = self.runs.values()
        means = {name: round(sum(run[name] for run in runs) / len(runs)) for name in BUDGET}
        return {name: count + self.made.get(name, 0) for name, count in means.items()}


def breaches(
    every: Sequence[Trained], evaluations: Mapping[str, Evaluation], records: Records
) -> list[Breach]:
    """Of each record that is missing, tells too little, or is of another start, reference, row or reward."""
    missing = {one.given["name"]: list(_missing(one)) for one in every}
    whole = [one for one in every if not missing[one.given["name"]]]
    unlike = [
        breach
        for one in whole
        for seed in one.runs
        for breach in _unlike(one, seed, _wanted(one, seed, whole, evaluations, records))
    ]
    return [*(breach for some in missing.values() for breach in some), *unlike]


def _missing(one: Trained) -> Iterator[Breach]:
    name, family = one.given["name"], one.given["family"]
    for seed, run in one.runs.items():
        needed = [*TOLD, *([] if family == "base" else ["reference_sha256"])]
        untold = [each for each in needed if each not in run]
        if untold:
            told = f"does not tell {', '.join(untold)}" if run else "there is no record of this training"
            yield Breach(_place(one, seed), told, _again(one, seed))
    if family in DATA and any(one.data_sha256(seed) is None for seed in one.runs):
        stage = DATA[family]
        place, cure = f"{METRICS}/{stage}-{name}.json", f"make its rows again: {again(f'{stage}@{name}')}"
        yield Breach(place, "does not tell data_sha256", cure)


def _wanted(
    one: Trained, seed: int, every: Sequence[Trained], evaluations: Mapping[str, Evaluation], records: Records
) -> dict[str, tuple[Any, str]]:
    """By term what it has to be, None where nobody says, and whose that is."""
    given, run, sft = one.given, one.runs[seed], evaluations[SFT].summary.get("reference_sha256")
    base, climbed = (records.get(name, {}).get("weights_sha256") for name in ("base", "reward-a"))
    evaluated, from_base = evaluations[f"{given['name']}-{seed}"], given["family"] == "base"
    start = (sft, "models/sft")
    if after := given["settings"].get("after"):
        start = (records.get(f"align-{after}-{seed}", {}).get("weights_sha256", sft), f"{after}-{seed}")
    learner = next((each for each in every if each.first["pairs_sha256"]), one)
    rewarded = given["family"] in REWARDED
    return {
        "start_sha256": (base, "models/base") if from_base else start,
        "reference_sha256": (None, "models/base") if from_base else start,
        "weights_sha256": (evaluated.summary.get("model_sha256"), "the evaluated model"),
        "data_sha256": (one.data_sha256(seed), f"the stage {DATA.get(given['family'])}"),
        "steps": (given["settings"].get("optimisation.steps") if run.get("rows", 1) else 0, "params.yaml"),
        "reward": (given["settings"].get("reward") if rewarded else None, "params.yaml"),
        "pairs_sha256": (one.first["pairs_sha256"] and learner.first["pairs_sha256"], learner.given["name"]),
        "climbed_sha256": (one.first["climbed_sha256"] and climbed, "models/reward-a"),
        **{name: (one.told_first[name], "its first seed") for name in ALIKE},
        **({} if run.get("rows", 1) else {"examples": (0, "a training without rows")}),
    }


def _unlike(one: Trained, seed: int, wanted: Mapping[str, tuple[Any, str]]) -> Iterator[Breach]:
    found = one.facts(seed)
    for term, (value, whose) in wanted.items():
        if value is not None and found[term] != value:
            cause = f"{term} is {short(found[term])}, that of {whose} is {short(value)}"
            yield Breach(_place(one, seed), cause, _again(one, seed))


def short(value: Any) -> str:
    """A hash by its first 12 digits, another value as it is."""
    text = str(value)
    return text[:12] if len(text) == 64 else text


def again(stage: str) -> str:
    """How a stage is run, also where DVC takes it for done."""
    return f"`dvc repro`, or by force `dvc repro --force --single-item {stage}`"


def _place(one: Trained, seed: int) -> str:
    return f"{METRICS}/align-{one.given['name']}-{seed}.json"


def _again(one: Trained, seed: int) -> str:
    stage = f"align-{one.given['family']}@{one.given['name']}-{seed}"
    return f"train it again: {again(stage)}"
