"""Stage duel: the greedy summaries of all models two by two, all seeds, before a judge behind an endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tasks.engine.journal import Journal
from tasks.ledger import graph, state
from tasks.ledger.target import Target
from tasks.measures import contests, duel_records, endpoint, pairwise, price, rounds, sequential
from tasks.measures.contests import Contest, Pair, Place
from tasks.measures.endpoint import Endpoint, Request
from tasks.measures.evaluations import SFT, Evaluation, documents, read_all
from tasks.measures.verdicts import Verdicts, key_of
from tasks.refusal import Refusal
from tasks.sections.asked import Duel, EndpointJudge
from tasks.sections.branches import Branches

CURE = "lower duel.prompts, or compare fewer branches and seeds"


def run(
    by: str, duel: Duel, branches: Branches, seeds: list[int], journal: Journal
) -> dict[str, float | int | str]:
    """Counts of what was judged; verdicts go to reports/duels/<judge>.parquet, the replies beside it."""
    judge = _judge(by, duel)
    at = Endpoint(judge, f"params.yaml: duel.judges.{by}", judge.requests_per_minute)
    rubric, names = pairwise.rubric_of(at), list(branches.entries())
    evaluations = read_all([SFT, *(f"{branch}-{seed}" for branch in names for seed in seeds)])
    ids = evaluations[0].prompts("greedy")
    order = np.random.default_rng(duel.seed).permutation(len(ids)).tolist()[: duel.prompts]
    every = _contests(evaluations, names, seeds, sorted(order))
    record = duel_records.FOLDER / f"{by}.verdicts.jsonl"
    former = graph.former(Target("duel", by=by), record)
    verdicts = Verdicts(state.root() / "verdicts.jsonl", [former] if former else [])

    possible = [
        request
        for some in every.values()
        for contest in some.values()
        for request in pairwise.questions(judge, rubric, contest)
    ]
    missing = endpoint.without_verdict(possible, verdicts)
    journal.say(f"at most {price.affordable(missing, judge.price, at, CURE)}")
    asked: list[Request] = []

    def ask(requests: list[Request]) -> list[str]:
        asked.extend(requests)
        return endpoint.replies(at, requests, verdicts, journal.say, journal.step)

    def judged(some: list[Contest]) -> list[contests.Outcome]:
        return pairwise.outcomes(judge, rubric, some, ask)

    played = rounds.played(every, order, duel.batch, judged, _decided(duel.alpha, len(every)))
    told = {
        "judge": by,
        "model": judge.model,
        "rubric": judge.rubric,
        "prompts": len(order),
        "alpha": duel.alpha,
        "requests": len({key_of(request) for request in asked}),
        **_counts(played),
        "identity": duel_records.identity(judge, rubric),
    }
    duel_records.write(by, told | duel_records.compared(evaluations), played, order, ids, seeds)
    verdicts.export(record, asked)
    return {name: value for name, value in told.items() if value is not None}


def _decided(alpha: float | None, pairs: int) -> rounds.Decided:
    """Whether a pair's scores tell it apart, `alpha` being shared by all pairs; never without it."""
    if alpha is None:
        return rounds.never
    return lambda scores: sequential.decided_at(scores, alpha / pairs) is not None


def _judge(by: str, duel: Duel) -> EndpointJudge:
    if by in duel.judges:
        return duel.judges[by]
    known = ", ".join(duel.judges) or "none"
    raise Refusal("params.yaml: duel.judges", f"there is no entry {by!r}", f"entries are {known}")


def _contests(
    evaluations: Sequence[Evaluation], names: list[str], seeds: list[int], prompts: Sequence[int]
) -> dict[Pair, dict[Place, Contest]]:
    """By pair, the document and both summaries of each prompt and seed; sft's one meets every seed."""
    ids = evaluations[0].prompts("greedy")
    rows = documents(ids, evaluations[0].summary.get("split"))
    texts = {each.model: each.texts("prediction", "greedy") for each in evaluations}
    return {
        (left, right): {
            (prompt, place): Contest(
                rows[ids[prompt]][0],
                *(texts[name if name == SFT else f"{name}-{seed}"][prompt] for name in (left, right)),
            )
            for prompt in prompts
            for place, seed in enumerate(seeds)
        }
        for left, right in contests.pairs(names)
    }


def _counts(played: contests.Played) -> Mapping[str, Any]:
    """Of the duels that were judged, and of those that were spared."""
    outcomes = [outcome for some in played.outcomes.values() for outcome in some.values()]
    return {
        "duels": len(outcomes),
        "abstained": sum(outcome.share is None for outcome in outcomes),
        "flip_rate": contests.rate([outcome.flipped for outcome in outcomes]),
        "saved": played.saved,
    }
