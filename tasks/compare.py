"""Stage compare: every branch against SFT and every other, with intervals, as JSON, HTML and Markdown."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console, Group

from tasks.ledger import costs, held
from tasks.ledger.journal import CURVES
from tasks.measures import (
    comparison,
    contract,
    cures_told,
    decisions,
    examples,
    flags,
    frontier_told,
    given,
    judges,
    language,
    lens_told,
    markdown,
    page,
    rounds_told,
    series,
    terminal,
    trust,
    unreached,
)
from tasks.measures.alarms import alarms
from tasks.measures.blocks import Extras
from tasks.measures.evaluations import DECODINGS, SFT, SHARED, Evaluation, ranked, read_all
from tasks.measures.frontier import Frontier
from tasks.refusal import Refusal
from tasks.sections.asked import Duel
from tasks.sections.branches import Branches
from tasks.sections.compared import Compare
from tasks.sections.strength import Strength
from tasks.settings import Tuning

JSON, HTML, MARKDOWN = (Path(f"reports/comparison.{kind}") for kind in ("json", "html", "md"))
REPORTS = {"html": page.html, "md": markdown.markdown}  # one file of each a language
PLOTS = Path("reports/plots")
DISPLACEMENT = ("chosen_logp_change_nats", "likelihood_displacement", "train_margin")


class Answer(NamedTuple):
    """All of comparison.json, and what the report shows besides."""

    found: dict[str, Any]
    evaluations: list[Evaluation]
    values: dict[str, comparison.Models]
    contracted: dict[str, contract.Contract]  # by language


def run(
    compare: Compare,
    branches: Branches,
    seeds: list[int],
    tuning: dict[str, Tuning],
    duel: Duel,
    strength: Strength,
) -> dict[str, float | int | str | bool | None]:
    """The headline's means and how many pairs were told apart; writes reports/comparison.* and reports/plots."""
    entries = branches.entries()
    found, evaluations, values, agreed = answered(compare, branches, seeds, tuning, duel, strength)
    extras = Extras(
        examples=examples.chosen(evaluations, values["greedy"], found["headline"], seeds, compare.seed),
        greedy=values["greedy"],
        costs={branch: [costs.of(f"align-{branch}-{seed}") for seed in seeds] for branch in entries},
    )
    for each, contracted in agreed.items():
        told_here = found | {"contract": found["contract"] | {"differences": contracted.differences}}
        for kind, write in REPORTS.items():
            _write(JSON.with_name(f"{page.FILES[each]}.{kind}"), _spoken(each, write, told_here, extras))
    _write(JSON, as_json(found))
    for name, text in series.tables(found, _curves(entries, seeds)).items():
        _write(PLOTS / name, text)
    Console(width=None if sys.stdout.isatty() else 132).print(table(found))
    return told(found)


def answered(
    compare: Compare,
    branches: Branches,
    seeds: list[int],
    tuning: dict[str, Tuning],
    duel: Duel,
    strength: Strength,
) -> Answer:
    """What the evaluations and metrics that lie here come to; writes nothing."""
    entries = branches.entries()
    if not entries:
        raise Refusal("params.yaml: branches", "there is no branch to compare", "add an entry under branches")
    evaluations = read_all([SFT, *(f"{branch}-{seed}" for branch in entries for seed in seeds)])
    every = [
        given.of(name, branches.family(name), entry, tuning.get(name)) for name, entry in entries.items()
    ]
    records = {path.stem: _metrics(path) for path in sorted(held.METRICS.glob("*.json"))}
    gone = [
        name for name in records if name.startswith("cured-") and name.removeprefix("cured-") not in entries
    ]
    records = {name: told for name, told in records.items() if name not in gone}
    agreed = {
        each: _spoken(each, contract.agreed, evaluations, every, seeds, records)
        for each in language.LANGUAGES
    }
    values = comparison.gathered(evaluations, list(entries), seeds)
    found = compared(compare, every, seeds, evaluations, values, list(duel.judges))
    found["rounds"] = rounds_told.read(every)
    found["warnings"] += trust.circular(every, records) + cures_told.alarms(records)
    found["warnings"] += rounds_told.alarms(found["rounds"])
    found["warnings"] += flags.alarms(entries, seeds, records)
    found["contract"] = comparison.rounded(agreed[language.ENGLISH]._asdict())
    found["strength"] = lens_told.read(list(strength.votes), records)
    return Answer(found, evaluations, values, agreed)


def table(found: dict[str, Any]) -> Group:
    """A comparison's rich tables, for the end of a run: what each branch was given, and what it came to."""
    return terminal.printed(found)


def as_json(found: dict[str, Any]) -> str:
    """The bytes of comparison.json: sorted keys, no infinity, the same for the same inputs."""
    return json.dumps(found, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False) + "\n"


def compared(
    compare: Compare,
    branches: Sequence[Mapping[str, Any]],
    seeds: Sequence[int],
    evaluations: Sequence[Evaluation],
    values: Mapping[str, comparison.Models],
    asked: Sequence[str],
) -> dict[str, Any]:
    """All of comparison.json: floats rounded to 6 digits, nothing of this machine or this hour in it."""
    sft, measure = evaluations[0], comparison.headline(values)
    bootstrap = comparison.Bootstrap(compare.confidence, compare.resamples, compare.seed)
    rule = decisions.Rule(bootstrap, compare.wanted_difference)
    differences = {
        each: decisions.decided(comparison.differences(found, measure, bootstrap), found, measure, rule)
        for each, found in values.items()
    }
    pairs = sum(row["measure"] == measure for row in differences["greedy"])
    followed = (measure, "reward", "kl_k1")
    displaced = {each["name"]: _displacement(each["name"], seeds) for each in branches}
    starts = {each["name"]: each["start"] for each in branches}
    several = ranked(sft)
    way = Frontier.of(evaluations, starts, seeds, measure).as_json(several, bootstrap)
    baselines = sft.summary.get("baselines", {})
    warnings = unreached.alarms(values["greedy"], measure, baselines)
    warnings += alarms(values, differences, measure, seeds, bootstrap, evaluations)
    warnings += frontier_told.alarms(way["onset"], measure)
    judged = judges.judged(values["greedy"], evaluations, asked, seeds, bootstrap)
    found = comparison.rounded(
        {
            "headline": measure,
            "judge": sft.summary.get("judge"),
            "prompts": len(sft.prompts("greedy")),
            "samples": len(sft.texts("id", "sampled")) // len(sft.prompts("sampled")),
            "seeds": list(seeds),
            "bootstrap": {"method": "BCa", **bootstrap._asdict()},
            "scores": {each: comparison.scores(values[each], bootstrap) for each in DECODINGS},
            "seed_spread": {each: comparison.spreads(values[each], followed) for each in DECODINGS},
            "differences": differences,
            "test": decisions.told(pairs, len(sft.prompts("greedy")), rule, compare.wanted_win_gap),
            "in_general": {
                each: decisions.in_general(differences[each], values[each], measure, len(seeds), rule)
                for each in DECODINGS
            },
            "frontier": {"ends": comparison.frontier(values["sampled"], measure, seeds), **way},
            "best_of": comparison.upper_line(several, (measure, "reward"), bootstrap),
            "warnings": [*given.alarms(branches), *warnings, *trust.alarms(judged["judges"])],
            **judged,
            "baselines": baselines,
            "signatures": sft.summary.get("signatures", {}),
            "displacement": {branch: rows for branch, rows in displaced.items() if rows},
            "hashes": {name: sft.summary[name] for name in SHARED}
            | {"models": {each.model: each.summary.get("model_sha256") for each in evaluations}},
        }
    )
    return {**found, "branches": list(branches)}  # a setting is as it was given, however small


def told(found: Mapping[str, Any]) -> dict[str, float | int | str | bool | None]:
    """The stage's flat metrics."""
    measure = found["headline"]
    pairs = [row for row in found["differences"]["greedy"] if row["measure"] == measure]
    return {
        "headline": measure,
        "prompts": found["prompts"],
        "pairs": len(pairs),
        "pairs_told_apart": sum(row["verdict"] != comparison.SAME for row in pairs),
        "warnings": len(found["warnings"]),
        **{
            f"{measure}_{name}": scores[measure]["mean"] for name, scores in found["scores"]["greedy"].items()
        },
    }


def _spoken(each: str, write: Callable[..., Any], *given: Any) -> Any:
    """What `write` gives while this language is spoken."""
    with language.speaking(each):
        return write(*given)


def _displacement(branch: str, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """What the stage align told of the likelihood of chosen summaries, one entry a seed that told it."""
    told = [(seed, _metrics(held.METRICS / f"align-{branch}-{seed}.json")) for seed in seeds]
    return [
        {"seed": seed, **{name: metrics[name] for name in DISPLACEMENT if name in metrics}}
        for seed, metrics in told
        if DISPLACEMENT[0] in metrics
    ]


def _curves(branches: Iterable[str], seeds: Sequence[int]) -> dict[str, list[dict[str, Any]]]:
    """The curves of all that trained here, by record."""
    records = [
        "sft",
        "reward-a",
        "reward-b",
        *(f"align-{branch}-{seed}" for branch in branches for seed in seeds),
    ]
    paths = {record: CURVES / f"{record}.jsonl" for record in records}
    lines = {
        record: path.read_text(encoding="utf-8").splitlines()
        for record, path in paths.items()
        if path.is_file()
    }
    return {record: [json.loads(line) for line in found] for record, found in lines.items()}


def _write(path: Path, text: str) -> None:
    """A whole new file: the old one may be a link into DVC's cache."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def _metrics(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
