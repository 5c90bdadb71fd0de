"""The tables of scores: every model's means, every pair's difference, seeds, what needs no model, Best-of-N."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.measures.evaluations import SFT
from tasks.measures.language import say
from tasks.measures.tables import (
    BASELINES,
    COLUMNS,
    DECODED,
    Found,
    Table,
    difference,
    interval,
    label,
    mark,
    pairs,
    percent,
    shown,
    verdict,
)


def scores(found: Found, decoding: str) -> Table:
    """Every model's means; the headline with its interval and the paired difference to SFT with its own."""
    measure, rows = found["headline"], []
    here = found["scores"][decoding][SFT].keys() - {measure, "rouge1", "rouge2"}  # these two: see baselines
    columns = [each for each in COLUMNS if each in here]
    for name, means in found["scores"][decoding].items():
        row = None if name == SFT else difference(found, decoding, name, SFT, measure)
        to_sft = interval(row, "difference", "+") if row else ""
        cells = [shown(each, means[each]["mean"]) + mark(found, decoding, name, each) for each in columns]
        rows.append([name, interval(means[measure]), to_sft, *cells])
    header = [say("model"), label(measure), say("against sft"), *(label(each) for each in columns)]
    note = say(
        "Means over {seeds} seeds and {prompts} prompts. ▲ or ▼: the {percent} interval of the paired difference to "
        "sft lies above or below 0, uncorrected; for {measure} see the verdicts.",
        seeds=len(found["seeds"]),
        prompts=found["prompts"],
        percent=percent(found),
        measure=label(measure),
    )
    title = say("Scores, {decoding}", decoding=say(DECODED[decoding]))
    return Table(title, header, rows, note)


def verdicts(found: Found) -> Table:
    """Every pair on the headline with both decodings."""
    rows = []
    for greedy, sampled in pairs(found):
        cells = [interval(greedy, "difference", "+"), verdict(greedy["verdict"])]
        cells += [interval(sampled, "difference", "+"), verdict(sampled["verdict"])]
        rows.append([f"{greedy['left']} − {greedy['right']}", *cells, _agreeing(found, greedy)])
    header = [say("pair"), say("greedy"), say("verdict"), say("sampled"), say("verdict")]
    header += [say("seeds that agree (greedy)")]
    return Table(say("Paired differences, {measure}", measure=label(found["headline"])), header, rows)


def seeds(found: Found, decoding: str = "greedy") -> Table:
    """The headline of each single seed."""
    rows = []
    for name, spreads in found["seed_spread"][decoding].items():
        spread = spreads[found["headline"]]
        cells = [f"{value:.3f}" for value in (*spread["by_seed"], spread["minimum"], spread["maximum"])]
        rows.append([name, *cells, "-" if spread["sd"] is None else f"{spread['sd']:.3f}"])
    header = [say("branch"), *(say("seed {seed}", seed=seed) for seed in found["seeds"])]
    header += [say("least"), say("largest"), say("sd")]
    said = say(DECODED[decoding])
    title = say("Spread over seeds, {measure}, {decoding}", measure=label(found["headline"]), decoding=said)
    return Table(title, header, rows)


def baselines(found: Found) -> Table:
    """ROUGE, and gold where there is one, of what needs no model, beside SFT and the branches."""
    given = found["baselines"]
    words = {name: say(told) for name, told in BASELINES.items()}
    words |= {name: name for name in sorted(given.keys() - BASELINES.keys())}
    kinds = [*(["gold"] if found["headline"] == "gold" else []), "rouge1", "rouge2", "rougeL"]
    texts = {words[name]: given[name] for name in words if given.get(name)}
    for name, measures in found["scores"]["greedy"].items():
        texts[name] = {kind: measures[kind]["mean"] for kind in kinds}
    rows = [
        [name, *(f"{means[kind]:.3f}" if kind in means else "-" for kind in kinds)]
        for name, means in texts.items()
    ]
    note = say("Particles and endings alone reach the floor; read every ROUGE as its distance from it.")
    title = say("Against what needs no model, greedy")
    return Table(title, [say("text"), *map(label, kinds)], rows, note)


def best_of(found: Found) -> Table:
    """The headline and the reward of SFT's best of n, with intervals, by n."""
    measures = (found["headline"], "reward")
    rows = [
        [str(point["n"]), f"{point['kl_bound']:.2f}", *(interval(point[each]) for each in measures)]
        for point in found["best_of"]
    ]
    header = ["n", say("KL at most, nats"), *map(label, measures)]
    note = say(
        "Of n sampled summaries of sft the one that fold A's reward model likes best: means over all choices of n "
        "of the {most} that were drawn. No training, and n times the cost of every summary. "
        "The KL is a bound, log n - (n - 1) / n: the true one may be lower.",
        most=found["best_of"][-1]["n"],
    )
    title = say("Best-of-N of SFT: what the reward model alone can buy at decoding time")
    return Table(title, header, rows, note)


def displacement(found: Found) -> Table:
    """How far the chosen summaries' own log-probability moved in training, by branch and seed."""
    rows = [
        [
            f"{branch}-{row['seed']}",
            f"{row['chosen_logp_change_nats']:+.2f}",
            say("yes") if row.get("likelihood_displacement") else say("no"),
            f"{row['train_margin']:.3f}" if "train_margin" in row else "-",
        ]
        for branch, told in found["displacement"].items()
        for row in told
    ]
    header = [say("model"), say("change of log p(chosen), nats"), say("displaced"), say("margin in training")]
    note = say(
        "Displaced: training widened the margin while the chosen summaries themselves became less likely."
    )
    return Table(say("Likelihood displacement"), header, rows, note)


def _agreeing(found: Found, row: Mapping[str, Any]) -> str:
    if row["seeds_agreeing"] is None:
        return "-"
    return say("{agreeing} of {seeds}", agreeing=row["seeds_agreeing"], seeds=len(found["seeds"]))
