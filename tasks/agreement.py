"""Command agreement: how far a judge agrees with people, measured on a rated set before the judge is used."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks import parameters
from tasks.corpus import rated
from tasks.corpus.rated import RatedPair
from tasks.ledger import state
from tasks.measures import agreement, contests, duel_records, endpoint, pairwise, price, rouge, surface, trust
from tasks.measures.comparison import Bootstrap, rounded
from tasks.measures.contests import Contest, Outcome
from tasks.measures.duels import TIE
from tasks.measures.endpoint import Endpoint, Request
from tasks.measures.gold import judge_of
from tasks.measures.verdicts import Verdicts
from tasks.parameters import Parameters
from tasks.refusal import Refusal

POINTWISE = ("rouge", "rougeL", "reward")
ROWS = ("agreement", "agreement_with_ties", "kappa", "kappa_with_ties", "longer", "above_longer")
Judged = tuple[list[Outcome], str]  # an outcome a pair, and the judge's identity


def run(
    file: str, judge: str, criterion: str | None, names: Mapping[str, str], most: int | None
) -> dict[str, Any]:
    """The record of `most` pairs, drawn by duel.seed, or of all; it goes to reports/agreement/<judge>-<file>.json."""
    every = parameters.read()
    if judge not in (*POINTWISE, *every.duel.judges):
        known = ", ".join((*POINTWISE, *every.duel.judges))
        raise Refusal(
            "command line", f"there is no judge {judge!r}", f"known are {known} (duel.judges of params.yaml)"
        )
    if most is not None and most < 1:
        raise Refusal("command line", f"--pairs is {most}", "ask for one or more, or leave it out")
    pairs, counts = rated.read(Path(file), names, criterion)
    if counts["alone"]:
        _say(f"{counts['alone']} documents have one rated summary alone, which makes no pair")
    if most is not None and most < len(pairs):
        drawn = np.random.default_rng(every.duel.seed).permutation(len(pairs))[:most]
        pairs = [pairs[place] for place in sorted(drawn)]
    outcomes, identity = JUDGES.get(judge, _endpoint)(judge, pairs, every)
    flips = [outcome.flipped for outcome in outcomes if outcome.flipped is not None]
    bootstrap = Bootstrap(every.compare.confidence, every.compare.resamples, every.compare.seed)
    found = agreement.measured(
        np.array([pair.human for pair in pairs]),
        np.array([np.nan if outcome.share is None else outcome.share for outcome in outcomes]),
        np.array(
            [_share(surface.characters(pair.left) - surface.characters(pair.right), 0.0) for pair in pairs]
        ),
        np.array([pair.id for pair in pairs]),
        bootstrap,
    )
    record = rounded(
        {
            "judge": judge,
            "identity": identity,
            "set": Path(file).name,
            "set_sha256": hashlib.sha256(Path(file).read_bytes()).hexdigest(),
            "criterion": criterion,
            "flip_rate": contests.rate(flips),
            "bootstrap": {"method": "BCa", **bootstrap._asdict()},
            **found,
        }
    )
    path = trust.RECORDS / f"{judge}-{Path(file).stem}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    print("\n".join([*_told(record), f"written to {path}"]))
    return record


def _rouge(judge: str, pairs: Sequence[RatedPair], every: Parameters) -> Judged:
    """By the references of the set."""
    if any(pair.reference is None for pair in pairs):
        raise Refusal("command line", "the set has no references, which ROUGE needs", "name another judge")
    score = (
        (lambda *both: judge_of("rouge")(*both)["total"])
        if judge == "rouge"
        else (lambda *both: rouge.rouge(*both)["rougeL"])
    )
    known: dict[tuple[str, str], float] = {}
    for pair in pairs:
        for summary in (pair.left, pair.right):
            key = (summary, str(pair.reference))
            if key not in known:
                known[key] = score(*key)
    return [
        _scored(known[pair.left, str(pair.reference)], known[pair.right, str(pair.reference)])
        for pair in pairs
    ], judge


def _reward(judge: str, pairs: Sequence[RatedPair], every: Parameters) -> Judged:
    """By fold B's reward model; a pair that does not fit its positions is not judged."""
    from tasks.engine import models, reward_model
    from tasks.engine.groups import Group
    from tasks.engine.text import render

    folder = reward_model.HELD_BACK
    manifest, tokenizer = models.verified_manifest(folder), models.load_tokenizer(folder)
    room, groups, places = models.context_tokens(folder), [], []
    texts: dict[str, dict[str, None]] = {}
    for pair in pairs:
        texts.setdefault(pair.document, {}).update(dict.fromkeys((pair.left, pair.right)))
    for document, some in texts.items():
        prompt = render(tokenizer, document, every.text)
        fitting = [text for text in some if Group.of(tokenizer, prompt, [text]).longest <= room]
        groups.append(Group.of(tokenizer, prompt, fitting))
        places += [(document, text) for text in fitting]
    model = reward_model.load(folder, every.compute, _say)
    scores = dict(zip(places, model.rewards(groups, every.compute.tokens_at_once), strict=True))

    def outcome(pair: RatedPair) -> Outcome:
        left, right = (scores.get((pair.document, text)) for text in (pair.left, pair.right))
        return Outcome(None, None) if left is None or right is None else _scored(left, right)

    return [outcome(pair) for pair in pairs], manifest["weights_sha256"]


def _endpoint(judge: str, pairs: Sequence[RatedPair], every: Parameters) -> Judged:
    """By a judge of duel.judges, in both orders."""
    given = every.duel.judges[judge]
    at = Endpoint(given, f"params.yaml: duel.judges.{judge}", given.requests_per_minute)
    rubric = pairwise.rubric_of(at)
    contests = [Contest(pair.document, pair.left, pair.right) for pair in pairs]
    verdicts = Verdicts(state.root() / "verdicts.jsonl")
    requests = [request for contest in contests for request in pairwise.questions(given, rubric, contest)]
    missing = endpoint.without_verdict(requests, verdicts)
    _say(str(price.affordable(missing, given.price, at, "draw fewer by --pairs")))

    def ask(requests: list[Request]) -> list[str]:
        return endpoint.replies(at, requests, verdicts, _say, lambda step, of: None)

    return pairwise.outcomes(given, rubric, contests, ask), duel_records.identity(given, rubric)


JUDGES: dict[str, Callable[[str, Sequence[RatedPair], Parameters], Judged]] = {
    "rouge": _rouge,
    "rougeL": _rouge,
    "reward": _reward,
}


def _scored(left: float, right: float) -> Outcome:
    return Outcome(_share(left - right, TIE), None)


def _share(margin: float, tie: float) -> float:
    return 0.5 if abs(margin) <= tie else float(margin > 0)


def _say(text: str) -> None:
    print(f"gallim: {text}", file=sys.stderr, flush=True)


def _told(record: Mapping[str, Any]) -> list[str]:
    """The record in lines for people."""
    counts = {name: record[name] for name in ("pairs", "documents", "human_ties", "judge_ties", "abstained")}
    lines = [
        f"{record['judge']} on {record['set']}: "
        + ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts.items())
    ]
    for name in ROWS:
        found = record[name]
        said = f"{found['mean']:.3f} [{found['low']:.3f}, {found['high']:.3f}]" if found else "-"
        lines.append(f"  {name.replace('_', ' '):20} {said}")
    if record["flip_rate"] is not None:
        lines.append(f"  {'flip rate':20} {record['flip_rate']:.3f}")
    if not agreement.useful(record):
        lines.append(
            "warning: not clearly better than to prefer the longer summary, and than a coin; do not rank by this judge"
        )
    return lines
