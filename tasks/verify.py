"""Command verify: every result here against the receipt of its run, and the headline anew from the stored texts."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks import parameters
from tasks.ledger import graph, held, proof, receipt, receipts
from tasks.ledger.proof import Proof
from tasks.ledger.receipts import Receipt
from tasks.measures import evaluations, mismatches, retold
from tasks.measures.mismatches import Mismatch
from tasks.refusal import Refusal

WEIGHTS = {"reference": "models/sft", "reward": "models/reward-b", "climbed": "models/reward-a"}
STALE = "run `make run`, which compares what is here, and look at what changed"
SHOWN = 20  # places of comparison.json that are named; the others are counted


class Verdict:
    """What was checked and what does not hold, told as it goes."""

    def __init__(self) -> None:
        self.mismatches: list[Mismatch] = []
        self._places: set[str] = set()
        self._began = time.monotonic()

    def add(self, name: str, found: Iterable[Mismatch], told: str) -> None:
        """One line for a part; what a former part has found at a place already is not told again."""
        fresh = [one for one in found if one.place not in self._places]
        self._places |= {one.place for one in fresh}
        self.mismatches += fresh
        ending = f"{len(fresh)} DO NOT HOLD" if fresh else "ok"
        print(f"{name:<12} {told}: {ending}", flush=True)

    def tell(self, against: str) -> None:
        for one in self.mismatches:
            print(f"  {one}")
        seconds = time.monotonic() - self._began
        wrong = len(self.mismatches)
        print(
            f"NOT verified: {wrong} places do not hold ({seconds:.0f} s)"
            if wrong
            else f"verified against {against} in {seconds:.0f} s"
        )


def run(name: str | None, answered: Callable[..., Any], *, texts: bool) -> int:
    """How many places do not hold; each is named.

    name: of the receipt; None takes the newest of this tree, or dvc.lock alone where there is none. answered: what
    stage compare makes of the evaluations that lie here. texts: every number of a text anew, too.
    """
    given = receipts.newest_here() if name is None else receipts.read(name)
    _require_here(given)
    entries = held.Lock(receipt.LOCK).stages
    names = given.stages if given else graph.standing()
    known = {each: entries[each] for each in names if each in entries}
    if not known and given is None:
        raise Refusal("dvc.lock", "there are no results to verify", "run `make run`")
    verdict = Verdict()
    _stored(verdict, known, given)
    _recomputed(verdict, known, given, answered, texts)
    verdict.tell(f"{given.path.name}" if given else "dvc.lock alone, as there is no receipt of this tree")
    return len(verdict.mismatches)


def _require_here(given: Receipt | None) -> None:
    """A Refusal for the receipt of a worktree, whose files are not these."""
    if given and given.found["run"]["tree"] != receipts.tree():
        cause = f"is of the worktree {given.found['run']['tree']}, whose files are not here"
        raise Refusal(f"receipt {given.name}", cause, f"run `python -m tasks reproduce {given.name}`")


def _stored(verdict: Verdict, known: proof.Entries, given: Receipt | None) -> None:
    """The receipt, dvc.lock, the files, the models."""
    if given:
        broken = Mismatch(
            str(given.path), "was edited after it was written", "take a copy of it from elsewhere"
        )
        verdict.add("receipt", [] if given.is_whole else [broken], given.path.name)
        verdict.add(
            "dvc.lock", proof.lock(known, given), f"{len(given.stages)} stages as the receipt names them"
        )
    every = Proof.of(known, given)
    size = sum(one.size for one in every.found.values())
    hashes = "MD5 and SHA-256" if given else "MD5"
    verdict.add("files", every.files(), f"{len(every.found)} files, {size / 1e6:.1f} MB, by {hashes}")
    verdict.add("graph", every.chain(known), f"{len(known)} stages read what others made")
    manifests = every.models()
    verdict.add("models", every.manifests(), f"{len(manifests)} folders by their manifests")
    weights = {folder: str(told.get("weights_sha256")) for folder, told in manifests.items()}
    verdict.add("weights", _weights(weights), "every training and evaluation is of the weights that are here")
    changed = proof.changed_since(known, every.outs)
    for path, stages in sorted(changed.items()):
        print(f"  note: {path} is not as {len(stages)} stages read it, which `dvc repro` would run again")


def _weights(weights: dict[str, str]) -> Iterator[Mismatch]:
    """Each record that names other weights than those in the model's folder."""
    for path in sorted(held.METRICS.glob("*.json")):
        stage, _, model = path.stem.partition("-")
        told = _json(path)
        folders = (
            {f"{name}_sha256": folder for name, folder in WEIGHTS.items()} if stage == "evaluate" else {}
        )
        own = {"evaluate": "model_sha256", "align": "weights_sha256"}.get(stage)
        folders |= {own: f"models/{model}"} if own else {}
        for name, folder in folders.items():
            if name in told and folder in weights and told[name] != weights[folder]:
                cause = f"names other weights than those in {folder}"
                yield Mismatch(f"{path}: {name}", cause, evaluations.AGAIN)


def _recomputed(
    verdict: Verdict, known: proof.Entries, given: Receipt | None, answered: Callable[..., Any], texts: bool
) -> None:
    """The evaluations from their rows, the rows from their texts, the comparison from the evaluations."""
    prefix = f"{evaluations.FOLDER}/"
    outs = [out["path"] for entry in known.values() for out in entry.get("outs", [])]
    models = [Path(path).name for path in outs if path.startswith(prefix)]
    found: list[Mismatch] = []
    read = [one for model in models if (one := _evaluation(model, found))]
    rows = sum(one.table.num_rows for one in read)
    found += [each for one in read for each in _means(one)]
    verdict.add("numbers", found, f"{len(read)} evaluations, {rows} rows: every mean, curve and metric")
    kind = "every measure" if texts else "the judge"
    again = [each for one in read for each in _texts(one, whole=texts)]
    verdict.add("texts", again, f"{rows} texts, read again by {kind}")
    if receipt.COMPARISON.as_posix() in outs:
        _compare(verdict, given, answered)


def _evaluation(model: str, found: list[Mismatch]) -> evaluations.Evaluation | None:
    try:
        return evaluations.read(model)
    except Refusal as refusal:
        found.append(Mismatch(refusal.place, refusal.cause, refusal.cure))
        return None


def _means(one: evaluations.Evaluation) -> Iterator[Mismatch]:
    place = f"{evaluations.FOLDER / one.model}/summary.json"
    yield from retold.summary(one, place)
    path = held.METRICS / f"evaluate-{one.model}.json"
    if path.is_file():
        yield from retold.metrics(_json(path), one, str(path))
    for name, file in (("best_of", "best_of.parquet"), ("snapshots", "snapshots.parquet")):
        rows = evaluations.FOLDER / one.model / file
        if one.summary.get(name) and rows.is_file():
            for at, told, anew in mismatches.between(
                one.summary[name], _points(name, rows, one.summary[name]), name
            ):
                cause = f"stands as {mismatches.shown(told)}, and {file} gives {mismatches.shown(anew)}"
                yield Mismatch(f"{place}: {at}", cause, evaluations.AGAIN)


def _points(name: str, path: Path, kept: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from tasks.engine import upper_line, waypoints  # loads torch

    try:
        rows = pq.read_table(path)
        return upper_line.points(rows, kept[-1]["n"]) if name == "best_of" else waypoints.points(rows)
    except (pa.ArrowException, OSError, ValueError, KeyError):
        return []


def _texts(one: evaluations.Evaluation, *, whole: bool) -> Iterator[Mismatch]:
    path = evaluations.PREPARED / f"{one.summary.get('split')}.parquet"
    try:
        documents = {row["id"]: row for row in pq.read_table(path).to_pylist()}
    except (pa.ArrowException, OSError):
        yield Mismatch(str(path), "cannot be read, and the texts are about it", proof.BACK.format(path))
        return
    place = f"{evaluations.FOLDER / one.model}/predictions.parquet"
    yield from retold.read_again(one.table, documents, str(one.summary.get("judge")), place, whole=whole)


def _compare(verdict: Verdict, given: Receipt | None, answered: Callable[..., Any]) -> None:
    """comparison.json against what the evaluations come to, under the parameters of the run."""
    text = given.found["params"]["text"] if given else Path("params.yaml").read_text(encoding="utf-8")
    every = parameters.parse(parameters.Parameters, text, "params.yaml of the receipt")
    place = str(receipt.COMPARISON)
    try:
        kept = _json(receipt.COMPARISON)
        anew = answered(
            every.compare, every.branches, every.seeds, every.tuning, every.duel, every.strength
        ).found
    except Refusal as refusal:
        said = f"cannot be made of what lies here ({refusal.place}: {refusal.cause})"
        verdict.add("comparison", [Mismatch(place, said, refusal.cure)], "from the evaluations")
        return
    anew = json.loads(json.dumps(anew))
    found = [
        Mismatch(
            f"{place}: {at}",
            f"says {mismatches.shown(told)}, and the evaluations give {mismatches.shown(one)}",
            STALE,
        )
        for at, told, one in mismatches.between(kept, anew)
    ]
    if given and given.found["headline"] != receipt.summary(kept):
        found.append(Mismatch(f"{place}: headline", "is not the one that the receipt names", STALE))
    found.sort(key=lambda one: _weight(one.place, str(kept.get("headline"))))
    if len(found) > SHOWN:
        left = Mismatch(place, f"{len(found) - SHOWN} more places differ", STALE)
        found = [*found[:SHOWN], left]
    verdict.add("comparison", found, f"{mismatches.count(kept)} values of {place}, from the evaluations")


def _weight(place: str, headline: str) -> int:
    """By which the verdicts on the headline come before its other numbers, and those before all else."""
    if not re.search(rf"greedy.*[ .]{re.escape(headline)}\b", place):
        return 2
    return int(not place.endswith(".verdict"))


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refusal(
            str(path), f"cannot be read ({type(error).__name__})", proof.BACK.format(path)
        ) from error
