"""Duels before a judge who is paid by the question: batches of prompts, until a pair is decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tasks.measures.contests import Contest, Outcome, Pair, Place, Played

Decided = Callable[[Sequence[float]], bool]


def never(scores: Sequence[float]) -> bool:
    """No pair is decided before its last prompt."""
    return False


def played(
    contests: Mapping[Pair, Mapping[Place, Contest]],
    order: Sequence[int],
    batch: int,
    judged: Callable[[list[Contest]], list[Outcome]],
    decided: Decided,
) -> Played:
    """All pairs together, prompt by prompt in this order; a pair that is `decided` after a batch is judged no further.

    decided: given a pair's scores so far, one a judged prompt in [-1, 1], the mean over its seeds: 1 where the left
    won, -1 where it lost. Prompts on which the judge abstained have none.
    """
    found: dict[Pair, dict[Place, Outcome]] = {pair: {} for pair in contests}
    going = list(contests)
    for start in range(0, len(order), batch):
        if not going:
            break
        prompts = order[start : start + batch]
        asked = [
            (pair, place, contest)
            for pair in going
            for place, contest in contests[pair].items()
            if place[0] in prompts
        ]
        told = judged([contest for *_, contest in asked])
        for (pair, place, _), outcome in zip(asked, told, strict=True):
            found[pair][place] = outcome
        going = [pair for pair in going if not decided(scores(found[pair], order[: start + batch]))]
    total = sum(place[0] in order for some in contests.values() for place in some)
    return Played(found, total - sum(map(len, found.values())))


def scores(outcomes: Mapping[Place, Outcome], order: Sequence[int]) -> list[float]:
    """One score in [-1, 1] a prompt that was judged, in this order."""
    shares: dict[int, list[float]] = {prompt: [] for prompt in order}
    for (prompt, _), outcome in outcomes.items():
        if outcome.share is not None:
            shares[prompt].append(outcome.share)
    return [2 * sum(some) / len(some) - 1 for some in shares.values() if some]
