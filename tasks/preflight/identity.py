"""Whether models are the bytes that manifests and records name: each branch's start, the reference, its cache."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.preflight.finding import Finding, asked, failure, not_yet, note, warning
from tasks.preflight.seen import Seen
from tasks.preflight.truncation import METRICS

HASHED = 2**30  # bytes of a model that a check reads through; a larger one is verified by the stages


def findings(seen: Seen) -> Iterator[Finding]:
    """On models/base and models/sft, on every branch that is current, and on the cache of the reference."""
    for stage in ("base", "sft"):
        yield from _model(seen, stage)
    yield from _reward(seen)
    yield from _branches(seen)
    yield from _cache(seen)


def _model(seen: Seen, stage: str) -> Iterator[Finding]:
    directory = Path(f"models/{stage}")
    if not seen.current(stage, directory):
        yield not_yet(
            "identity", str(directory), "is still to be made", f"the stage {stage}, and who reads it"
        )
        return
    from tasks.engine import models

    size = sum(path.stat().st_size for path in directory.iterdir() if path.is_file())
    if size > HASHED:
        yield note(
            "identity", str(directory), f"{size / 2**30:.1f} GiB are not read through here", bytes=size
        )
        return
    wrong = asked("identity", lambda: models.verified_manifest(directory))
    yield from wrong
    if not wrong:
        weights = models.verified_manifest(directory)["weights_sha256"]
        yield note("identity", str(directory), f"whole; weights {weights[:16]}", weights_sha256=weights)


def _reward(seen: Seen) -> Iterator[Finding]:
    """A reward model that knows less than the rule 'prefer the longer' measures length."""
    for fold in ("a", "b"):
        found = _told(f"reward-{fold}")
        if not found or not seen.current("reward", METRICS / f"reward-{fold}.json"):
            continue
        accuracy, longer = found["holdout_accuracy"], found["longer_accuracy"]
        cause = f"orders {accuracy:.1%} of held-out pairs rightly, and 'prefer the longer' {longer:.1%}"
        if accuracy <= max(longer, 1 - longer, 0.5):
            cure = "train it longer, or on more pairs: it does not know more than the length"
            yield warning("length", f"models/reward-{fold}", cause, cure, accuracy=accuracy, longer=longer)


def _branches(seen: Seen) -> Iterator[Finding]:
    """Each branch's record and manifest name the start that is there now."""
    known = {path: _weights(Path(path)) for path in ("models/sft", "models/base")}
    right = 0
    for planned in seen.plan.stages if seen.plan else ():
        target = planned.target
        if target.stage != "align" or planned.due or target.family == "iterated":
            continue
        model = Path(f"models/{target.branch}-{target.seed}")
        start = "models/base" if target.family == "base" else "models/sft"
        found, manifest = _told(target.record), _manifest(model)
        cure = f"run `dvc repro --force {planned.name}`"
        named = {name: found.get(name) for name in ("start_sha256", "reference_sha256") if name in found}
        wrong = {name: value for name, value in named.items() if value != known[start]}
        if wrong or manifest.get("start_sha256") != known[start]:
            names = ", ".join(wrong) or "its manifest"
            cause = f"was not trained from {start} as it is now ({names})"
            yield failure("identity", str(model), cause, cure, **wrong)
        elif manifest.get("weights_sha256") != found.get("weights_sha256"):
            yield failure("identity", str(model), "is not the model that its record tells of", cure)
        else:
            right += 1
    if right:
        weights = (known["models/sft"] or "")[:16]
        yield note(
            "identity", "models", f"{right} trainings start from and compare with {weights}", branches=right
        )


def _cache(seen: Seen) -> Iterator[Finding]:
    path = Path("data/references/a.safetensors")
    if not seen.current("references", path):
        yield not_yet(
            "identity", str(path), "the reference's cache is still to be made", "the stage references"
        )
        return
    from tasks.engine.references import References, Unusable

    try:
        found = References.load(path, _weights(Path("models/sft")), seen.given.compute)
    except Unusable as cause:
        cure = "each training computes it anew; `dvc repro --force references` makes it once for all"
        yield warning("identity", str(path), f"is not usable: {cause}", cure)
        return
    yield note(
        "identity", str(path), f"{len(found)} completions, of models/sft as it is", completions=len(found)
    )


def _weights(directory: Path) -> str | None:
    return _manifest(directory).get("weights_sha256")


def _manifest(directory: Path) -> dict[str, Any]:
    path = directory / "manifest.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _told(record: str) -> dict[str, Any]:
    path = METRICS / f"{record}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
