"""The frontier: reward and gold against KL, one point a branch, seed and step, all on the same few prompts.

Legend of shapes: T steps, S seeds, P prompts, N samples; samples of a prompt are averaged before anything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.measures import comparison
from tasks.measures.comparison import Bootstrap
from tasks.measures.evaluations import AGAIN, FOLDER, SFT, Evaluation
from tasks.measures.onset import onset
from tasks.refusal import Refusal

CLIMBED = "reward_climbed"  # fold A's reward
KEY = ("id", "step", "sample")


class Way(NamedTuple):
    """A model's steps, the last of which is its end (0 of SFT, which is but one), on the few prompts."""

    steps: tuple[int, ...]
    ids: tuple[str, ...]
    values_TP: Mapping[str, np.ndarray]  # by measure


def read(evaluation: Evaluation, measure: str) -> Way | None:
    """What the stage evaluate measured on the way; None where there are no snapshots."""
    if not evaluation.summary.get("snapshots"):
        return None
    path = FOLDER / evaluation.model / "snapshots.parquet"
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise Refusal(str(path), f"cannot be read ({' '.join(str(error).split())})", AGAIN) from error
    names = ("kl_k1", "reward", CLIMBED, measure)
    missing = [name for name in (*KEY, *names) if name not in table.column_names]
    if missing:
        raise Refusal(str(path), f"the columns {', '.join(missing)} are missing", AGAIN)
    steps, ids, samples = (list(dict.fromkeys(table[name].to_pylist())) for name in ("step", "id", "sample"))
    keys = list(zip(*(table[name].to_pylist() for name in KEY), strict=True))
    if keys != [(name, step, sample) for name in ids for step in steps for sample in samples]:
        raise Refusal(str(path), "does not hold every step's samples of every prompt, in order", AGAIN)
    if ids != evaluation.prompts("sampled")[: len(ids)]:
        raise Refusal(str(path), "is not of the first prompts of predictions.parquet", AGAIN)
    values_TP = {}
    for name in names:
        values = np.asarray(table[name].cast(pa.float64()).to_numpy(), dtype=float)
        if not np.isfinite(values).all():
            raise Refusal(str(path), f"a value of {name} is missing or not finite", AGAIN)
        values_TP[name] = values.reshape(len(ids), len(steps), -1).mean(axis=2).T
    return Way(tuple(steps), tuple(ids), values_TP)


class Frontier(NamedTuple):
    """The ways of SFT and of every branch's seeds; empty where no branch has snapshots.

    from_sft: the branches whose training starts at models/sft; one that starts elsewhere has no point at step 0.
    """

    measure: str
    sft: Way | None
    branches: Mapping[str, Sequence[Way]]
    seeds: Sequence[int]
    from_sft: frozenset[str]

    @classmethod
    def of(
        cls,
        evaluations: Sequence[Evaluation],
        starts: Mapping[str, str],
        seeds: Sequence[int],
        measure: str,
    ) -> Frontier:
        """starts: by branch the model that its trainings start from."""
        ways = {evaluation.model: read(evaluation, measure) for evaluation in evaluations}
        found = {}
        for name in starts:
            of_seeds = [ways[f"{name}-{seed}"] for seed in seeds]
            if all(of_seeds):
                found[name] = [way for way in of_seeds if way]
        sft = ways[SFT] if found else None
        if sft:
            _alike(evaluations, sft, found, seeds)
        from_sft = frozenset(name for name, start in starts.items() if start == "models/sft")
        return cls(measure, sft, found if sft else {}, seeds, from_sft)

    def points(self) -> list[dict[str, Any]]:
        """One a branch, seed and step; SFT at step 0 and KL 0. KL in nats a sequence with its error over prompts."""
        if self.sft is None:
            return []
        rows: list[tuple[str, int | None, Way]] = [(SFT, None, self.sft)]
        rows += [(name, seed, way) for name, seed, way in self._each()]
        return [
            {"branch": name, "seed": seed, "step": step, **_means(way, place)}
            for name, seed, way in rows
            for place, step in enumerate(way.steps)
        ]

    def onsets(self, bootstrap: Bootstrap) -> list[dict[str, Any]]:
        """One entry a branch: where its over-optimisation sets in (see `onset`); `step` None where it is not seen."""
        found = []
        for name, ways in self.branches.items():
            steps = (0, *ways[0].steps) if name in self.from_sft else ways[0].steps
            told = onset(self._stacked(name, CLIMBED), self._stacked(name, self.measure), bootstrap)
            entry: dict[str, Any] = {"branch": name, "steps": list(steps), "step": None}
            if told is not None:
                kl_S = self._stacked(name, "kl_k1")[told.start].mean(axis=1)
                entry |= {"step": steps[told.start], "until": steps[told.until]}
                entry |= {"kl": float(kl_S.mean()), "kl_by_seed": [float(kl) for kl in kl_S]}
                entry |= {CLIMBED: told.climbed._asdict(), self.measure: told.gold._asdict()}
            found.append(entry)
        return found

    def best_of(self, ranked: Mapping[str, np.ndarray], bootstrap: Bootstrap) -> list[dict[str, Any]]:
        """SFT's best of n on the same few prompts, of all samples [P, N] of every prompt."""
        if self.sft is None or not ranked:
            return []
        few = {name: values_PN[: len(self.sft.ids)] for name, values_PN in ranked.items()}
        few |= {CLIMBED: few["ranking"]}
        return comparison.upper_line(few, (CLIMBED, self.measure), bootstrap)

    def as_json(self, ranked: Mapping[str, np.ndarray], bootstrap: Bootstrap) -> dict[str, Any]:
        """What comparison.json says of all this."""
        return {
            "prompts": len(self.sft.ids) if self.sft else 0,
            "points": self.points(),
            "best_of": self.best_of(ranked, bootstrap),
            "onset": self.onsets(bootstrap),
        }

    def _each(self) -> Iterator[tuple[str, int, Way]]:
        for name, ways in self.branches.items():
            yield from ((name, seed, way) for seed, way in zip(self.seeds, ways, strict=True))

    def _stacked(self, name: str, measure: str) -> np.ndarray:
        """[T, S, P], SFT before a branch that starts there."""
        values_TSP = np.stack([way.values_TP[measure] for way in self.branches[name]], axis=1)
        if name not in self.from_sft or self.sft is None:
            return values_TSP
        start_1SP = np.broadcast_to(self.sft.values_TP[measure][:, None], values_TSP[:1].shape)
        return np.concatenate([start_1SP, values_TSP])


def _means(way: Way, place: int) -> dict[str, Any]:
    """A point's numbers."""
    here_P = {name: values_TP[place] for name, values_TP in way.values_TP.items()}
    kl_P = here_P.pop("kl_k1")
    return {
        "share_of_training": way.steps[place] / max(1, way.steps[-1]),
        "kl": float(kl_P.mean()),
        "kl_se": float(kl_P.std(ddof=1) / np.sqrt(kl_P.size)),
        **{name: float(values_P.mean()) for name, values_P in here_P.items()},
    }


def _alike(
    evaluations: Sequence[Evaluation], sft: Way, found: Mapping[str, Sequence[Way]], seeds: Sequence[int]
) -> None:
    """Nothing, or a Refusal where two ways cannot be drawn into one picture."""
    hashes = {evaluation.model: evaluation.summary.get("climbed_sha256") for evaluation in evaluations}
    for name, ways in found.items():
        for seed, way in zip(seeds, ways, strict=True):
            place = str(FOLDER / f"{name}-{seed}" / "snapshots.parquet")
            if way.ids != sft.ids:
                raise Refusal(place, f"is of other prompts than {SFT}'s", "evaluate both again")
            if way.steps != ways[0].steps:
                raise Refusal(
                    place, f"has other steps than {name}-{seeds[0]}", "train and evaluate both again"
                )
            if hashes[f"{name}-{seed}"] != hashes[SFT]:
                raise Refusal(place, f"was scored by another reward model than {SFT}", "evaluate both again")
