"""What verdicts promise, held against simulations in which the truth is known: `python -m bench verdict`.

Nothing is timed. Legend of shapes: N simulations, S seeds, P prompts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from bench import scores, stopping
from bench.promises import Line, at_most, percent
from bench.scores import GREEDY, SAMPLED, SEED_SPREAD, Shape
from bench.stopping import GAP, LEVEL, TIES
from tasks.measures import intervals, permutation, power, seeds_model

CONFIDENCE, RESAMPLES = 0.95, 10_000
DECIDING = 2_000  # resamples where only the side of 0 is asked for
PROMPTS, SEEDS = 400, 3
AT_ONCE = 50  # simulations under the same resamples


def run(said: Callable[[Line], None]) -> list[Line]:
    """Every line, told as soon as it is there."""
    parts = (
        _coverage(),
        _alike(),
        _families(),
        _power(),
        _general(),
        stopping.peeking(),
        stopping.stopping(),
    )
    found = []
    for line in itertools.chain(*parts):
        said(line)
        found.append(line)
    return found


def _coverage() -> Iterator[Line]:
    """How often a pair's interval holds the true difference, and on which side it misses."""
    for name, shape in (("greedy", GREEDY), ("sampled", SAMPLED)):
        for prompts, seeds in ((400, 3), (400, 1), (100, 3), (30, 3)):
            yield _covered(f"{name} scores, {prompts} prompts, seeds {seeds}", shape, prompts, seeds)


def _covered(what: str, shape: Shape, prompts: int, seeds: int, times: int = 2000) -> Line:
    rng = np.random.default_rng(prompts + seeds)
    branch = list(shape.branch_SC[:seeds])
    truth = float(np.mean([scores.mean(each) for each in branch])) - scores.mean(shape.sft_C)
    sft_NSP, branch_NSP = scores.drawn([[shape.sft_C], branch], shape, times, prompts, rng)
    ends = _intervals(branch_NSP.mean(axis=1) - sft_NSP[:, 0], RESAMPLES)
    below, above = np.mean([[each.high < truth, each.low > truth] for each in ends], axis=0)
    held = 1 - below - above
    found = f"{percent(held)} (the rest: {percent(below)} below the truth, {percent(above)} above)"
    line = Line(f"95 % interval holds the truth: {what}", times, found)
    return line.against("93-97 %", bool(0.93 <= held <= 0.97)) if prompts >= 100 else line


def _alike() -> Iterator[Line]:
    """A/A: how many comparisons of equals are called different."""
    what = "A/A: two branches with the same true scores, 3 seeds"
    for times in (400, 4000):
        different = np.count_nonzero(_called(_branches(times, SEEDS, 0.0)))
        line = Line(what, times, f"{different} called different ({percent(different / times)})")
        yield line.against("31 at most", different <= 31) if times == 400 else line
    different = np.count_nonzero(_called(_branches(400, SEEDS, SEED_SPREAD)))
    what = "the same method twice, 3 trainings each that do differ as DPO's: the verdict on these trainings"
    yield Line(what, 400, f"{different} called different ({percent(different / 400)})")
    rng = np.random.default_rng(1)
    pairs = zip(*scores.drawn([[GREEDY.sft_C] * 8] * 2, GREEDY, 400, PROMPTS, rng, SEED_SPREAD), strict=True)
    different = sum(seeds_model.general(*pair, CONFIDENCE).p < LEVEL for pair in pairs)
    what = "A/A: the same method twice, 8 trainings each that do differ as DPO's: the verdict in general"
    found = f"{different} called different ({percent(different / 400)})"
    yield Line(what, 400, found, "31 at most", different <= 31)


def _branches(times: int, seeds: int, spread: float) -> np.ndarray:
    """Differences [N, P] of two branches of one method."""
    rng = np.random.default_rng(times)
    left, right = scores.drawn([[GREEDY.sft_C] * seeds] * 2, GREEDY, times, PROMPTS, rng, spread)
    return left.mean(axis=1) - right.mean(axis=1)


def _families(times: int = 1000) -> Iterator[Line]:
    """How often any of the pairs of SFT and three equal branches is called different."""
    rng = np.random.default_rng(2)
    models = scores.drawn([[GREEDY.sft_C] * seeds for seeds in (1, 3, 3, 3)], GREEDY, times, PROMPTS, rng)
    pairs = list(itertools.combinations([each_NSP.mean(axis=1) for each_NSP in models], 2))
    p_6N = np.stack([_p(left - right, len(pairs)) for left, right in pairs])
    singly = float((p_6N < LEVEL).any(axis=0).mean())
    holm = float(np.mean([(permutation.holm(p_6) < LEVEL).any() for p_6 in p_6N.T]))
    what = "any of the 6 pairs of 4 equal models called different"
    yield Line(f"{what}, after Holm", times, percent(holm), "5 % at most", at_most(holm, LEVEL, times))
    yield Line(f"{what}, without a correction", times, percent(singly))


def _power(times: int = 2000) -> Iterator[Line]:
    """How often a planted difference is found at the prompts that are asked for."""
    for ties, pairs in ((TIES, 1), (TIES, 3), (0.0, 1)):
        rng, prompts = np.random.default_rng(3), power.win_gap_prompts(GAP, ties, LEVEL / pairs)
        found = float((_called(scores.verdicts(GAP, ties, (times, prompts), rng), pairs) > 0).mean())
        what = f"5 points between two win rates found: {percent(ties)} ties, {_step(pairs)}, {prompts:,d} prompts"
        yield Line(what, times, percent(found), "80 % at least", found >= power.POWER)
    rng, wanted = np.random.default_rng(4), 0.02
    branch = [scores.between(GREEDY.sft_C, GREEDY.branch_SC[0], wanted)] * SEEDS
    asked = PROMPTS
    for promised in (False, True):
        sft, left = scores.drawn([[GREEDY.sft_C], branch], GREEDY, times, asked, rng)
        rows_NP = left.mean(axis=1) - sft[:, 0]
        found = float((_called(rows_NP) > 0).mean())
        line = Line(f"0.02 of the greedy score found: {_step(1)}, {asked:,d} prompts", times, percent(found))
        yield line.against("80 % at least", found >= power.POWER) if promised else line
        asked = power.prompts_needed(float(rows_NP.std(axis=1, ddof=1).mean()), wanted, LEVEL) or asked


def _general(times: int = 2000) -> Iterator[Line]:
    """How often the interval with seeds as a random effect holds a method's true difference."""
    counts = GREEDY.branch_SC[0]
    truth = scores.mean(counts) - scores.mean(GREEDY.sft_C)
    for factor, word in ((0, "none"), (1, "as of DPO's"), (3, "three times DPO's")):
        rng, held, alone = np.random.default_rng(5), 0, 0
        for _ in range(times // AT_ONCE):
            (sft,) = scores.drawn([[GREEDY.sft_C]], GREEDY, AT_ONCE, PROMPTS, rng)
            (left,) = scores.drawn([[counts] * 8], GREEDY, AT_ONCE, PROMPTS, rng, factor * SEED_SPREAD)
            for left_SP, sft_1P in zip(left, sft, strict=True):
                found = seeds_model.general(left_SP, sft_1P, CONFIDENCE)
                held += found.low <= truth <= found.high
                row_P = intervals.difference(left_SP, sft_1P)
                alone += abs(row_P.mean() - truth) <= 1.96 * row_P.std(ddof=1) / np.sqrt(PROMPTS)
        what = f"interval in general holds the truth: 8 seeds, {PROMPTS} prompts, spread of seeds: {word}"
        told = f"{percent(held / times)} (one over prompts alone: {percent(alone / times)})"
        yield Line(what, times, told, "93-97 %", 0.93 <= held / times <= 0.97)


def _called(rows_NP: np.ndarray, pairs: int = 1) -> np.ndarray:
    """1, -1 or 0 a row: left higher, lower or not told apart, as `compare` decides Holm's first step over the pairs."""
    found = np.zeros(len(rows_NP))
    small = np.flatnonzero(_p(rows_NP, pairs) < LEVEL / pairs)  # the others are not told apart in any case
    for row, interval in zip(small, _intervals(rows_NP[small], DECIDING), strict=True):
        found[row] = 0 if interval.holds_zero else np.sign(interval.mean)
    return found


def _p(rows_NP: np.ndarray, pairs: int) -> np.ndarray:
    flips = permutation.flips(RESAMPLES, pairs, LEVEL)
    parts = enumerate(_parts(rows_NP))
    return np.concatenate([permutation.sign_flip(part, flips, seed) for seed, part in parts])


def _intervals(rows_NP: np.ndarray, resamples: int) -> list[intervals.Interval]:
    parts = enumerate(_parts(rows_NP))
    found = (intervals.intervals(part, CONFIDENCE, resamples, seed) for seed, part in parts)
    return list(itertools.chain.from_iterable(found))


def _parts(rows_NP: np.ndarray) -> list[np.ndarray]:
    return [rows_NP[start : start + AT_ONCE] for start in range(0, len(rows_NP), AT_ONCE)]


def _step(pairs: int) -> str:
    return "1 pair" if pairs == 1 else f"{pairs} pairs (Holm's first step)"
