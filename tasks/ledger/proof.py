"""Whether the files that lie here are the ones that were made: by the receipt, by dvc.lock, by their own manifests."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tasks.ledger import artifacts, receipt
from tasks.ledger.artifacts import Hashed
from tasks.ledger.receipts import Receipt
from tasks.measures.mismatches import Mismatch
from tasks.redaction import nobody

LOCK, MANIFEST = receipt.LOCK.as_posix(), "manifest.json"
BACK = "bring back what was made: `python -m dvc checkout --force {}` (on another machine `dvc pull` first)"
AGAIN = "run `make run`, which leaves a receipt of what is here now, or bring dvc.lock back as it was"
Entries = Mapping[str, Mapping[str, Any]]  # of dvc.lock, by stage


@dataclass(frozen=True)
class Proof:
    """What should be here and what is: MD5 and, with a receipt, SHA-256 by path; outs: the outputs, with DVC's hash."""

    outs: dict[str, str]
    md5: dict[str, str]
    sha256: dict[str, str]
    found: dict[str, Hashed]

    @classmethod
    def of(cls, entries: Entries, given: Receipt | None) -> Proof:
        """Of these stages' entries in dvc.lock, or of the receipt where there is one. Reads every file."""
        outs = {
            out["path"]: out.get("md5", "") for entry in entries.values() for out in entry.get("outs", [])
        }
        if given:
            outs = {path: out["md5"] for one in given.stages.values() for path, out in one["outs"].items()}
            md5 = {path: one["md5"] for path, one in given.files.items()}
            sha256 = {path: one["sha256"] for path, one in given.files.items()}
        else:
            md5 = {
                p: one
                for out, known in outs.items()
                for p, one in (artifacts.listed(out, known) or {}).items()
            }
            sha256 = {}
        found = {path: one for out in outs for path, one in artifacts.of(Path(out)).items()}
        return cls(outs, md5, sha256, found)

    @property
    def bad(self) -> set[str]:
        """Paths that are not here as they were made."""
        return {path for path in self.md5 if not self._holds(path)}

    def files(self) -> Iterator[Mismatch]:
        """Each file that is another, is not here, lies elsewhere, or was never made."""
        made = {one: path for path, one in self.md5.items()}
        extra = {
            path: one for path, one in self.found.items() if path not in self.md5 and self._is_listed(path)
        }
        moved = {one.md5: path for path, one in extra.items()}
        for out in self.outs:
            if not Path(out).exists():
                yield Mismatch(out, "is not here", BACK.format(out))
        for path in sorted(self.bad):
            out = self._out(path)
            if not Path(out).exists():
                continue
            if path in self.found:
                other = made.get(self.found[path].md5)
                cause = f"holds the bytes of {other}" if other else "its bytes are not those that were made"
            else:
                at = moved.get(self.md5[path])
                cause = f"is not here; its bytes lie at {at}" if at else "is not here"
            yield Mismatch(path, cause, BACK.format(out))
        for path in sorted(extra):
            yield Mismatch(
                path, "no stage made this file", f"take it away, or {BACK.format(self._out(path))}"
            )
        for out, known in self.outs.items():
            if (
                known.endswith(".dir")
                and not self._is_listed(f"{out}/")
                and artifacts.md5(out, self.found) != known
            ):
                yield Mismatch(out, "is not the folder that dvc.lock holds", BACK.format(out))

    def manifests(self) -> Iterator[Mismatch]:
        """Each file of a model's folder that is not the one that the folder's manifest.json names."""
        for folder, manifest in self.models().items():
            inside = {
                PurePosixPath(path).name: one for path, one in self.found.items() if _parent(path) == folder
            }
            inside.pop(MANIFEST)
            for name in sorted(manifest.get("files", {}).keys() | inside.keys()):
                kept, here = manifest.get("files", {}).get(name), inside.get(name)
                if kept != (here.sha256 if here else None):
                    cause = "is not the file that the manifest.json beside it names"
                    yield Mismatch(f"{folder}/{name}", cause, BACK.format(self._out(f"{folder}/{name}")))
            if manifest.get("weights_sha256") != _weights(inside):
                cause = "weights_sha256 is not that of the weights beside it"
                yield Mismatch(f"{folder}/{MANIFEST}", cause, BACK.format(self._out(folder)))

    def models(self) -> dict[str, dict[str, Any]]:
        """Folder -> its manifest.json, of every folder that has one; an empty one where that cannot be read."""
        return {_parent(path): _json(path) for path in self.found if PurePosixPath(path).name == MANIFEST}

    def chain(self, entries: Entries) -> Iterator[Mismatch]:
        """Each stage that, by dvc.lock, read something else than another stage made."""
        for name, entry in entries.items():
            own = {out["path"] for out in entry.get("outs", [])}
            for dep in entry.get("deps", []):
                made = self._made(dep["path"], own)
                if made is not None and made != dep.get("md5"):
                    cause = f"read another {dep['path']} than the stages before it made"
                    yield Mismatch(f"{LOCK}: {name}", cause, f"run `dvc repro {name}`")

    def _made(self, path: str, own: set[str]) -> str | None:
        """DVC's hash of what stages made at this path; None for what none made, or that cannot be told."""
        if path in self.outs:
            return self.outs[path]
        if path in self.md5:
            return self.md5[path]
        if not any(out.startswith(f"{path}/") for out in self.outs):
            return None
        here = {
            each: self.md5.get(each) or one.md5
            for each, one in artifacts.of(Path(path)).items()
            if each not in own
        }
        here |= {
            each: one for each, one in self.md5.items() if each.startswith(f"{path}/") and each not in own
        }
        return artifacts.of_folder({each.removeprefix(f"{path}/"): one for each, one in here.items()})

    def _holds(self, path: str) -> bool:
        here = self.found.get(path)
        return (
            here is not None
            and here.md5 == self.md5[path]
            and self.sha256.get(path, here.sha256) == here.sha256
        )

    def _is_listed(self, path: str) -> bool:
        """Whether it is known which files its output has."""
        out = self._out(path.rstrip("/"))
        return any(each == out or each.startswith(f"{out}/") for each in self.md5)

    def _out(self, path: str) -> str:
        """The output that this path is or lies in."""
        return next((out for out in self.outs if path == out or path.startswith(f"{out}/")), path)


def lock(entries: Entries, given: Receipt) -> Iterator[Mismatch]:
    """Each stage whose entry in dvc.lock is not the one that the receipt names, and what of it."""
    for name, told in given.stages.items():
        entry = entries.get(name)
        if entry is None:
            yield Mismatch(f"{LOCK}: {name}", "the receipt names this stage, and it is not here", AGAIN)
            continue
        outs = {out["path"]: out.get("md5") for out in entry.get("outs", [])}
        parts = [
            f"its output {path}" for path in _unlike(outs, {p: one["md5"] for p, one in told["outs"].items()})
        ]
        deps = {dep["path"]: dep.get("md5") for dep in entry.get("deps", [])}
        parts += [f"its input {path}" for path in _unlike(deps, told["deps"])]
        parts += (
            ["its parameters"]
            if artifacts.sha256_of(entry.get("params", {})) != told["params_sha256"]
            else []
        )
        parts += ["its command"] if nobody(str(entry["cmd"])) != told["cmd"] else []
        if parts:
            yield Mismatch(f"{LOCK}: {name}", f"not as in the receipt: {', '.join(parts)}", AGAIN)


def changed_since(entries: Entries, made: Mapping[str, str]) -> dict[str, list[str]]:
    """File or folder of code or of the user's own that is not as it was read -> the stages that read it."""
    wanted: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, entry in entries.items():
        for dep in entry.get("deps", []):
            path = dep["path"]
            if not any(
                path == out or path.startswith(f"{out}/") or out.startswith(f"{path}/") for out in made
            ):
                wanted[path, dep.get("md5")].append(name)
    found: dict[str, list[str]] = {}
    for (path, known), stages in wanted.items():
        if artifacts.md5(path, artifacts.of(Path(path))) != known:
            found.setdefault(path, []).extend(stages)
    return found


def _unlike(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return [name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)]


def _weights(inside: Mapping[str, Hashed]) -> str:
    """As tasks/engine/models.py makes it, which loads torch."""
    names = sorted(name for name in inside if name.endswith(".safetensors"))
    return hashlib.sha256("".join(f"{name}:{inside[name].sha256}\n" for name in names).encode()).hexdigest()


def _json(path: str) -> dict[str, Any]:
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _parent(path: str) -> str:
    return PurePosixPath(path).parent.as_posix()
