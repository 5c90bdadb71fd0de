"""The reference's log-probabilities of the pairs, computed once for all offline branches, seeds and trials.

Per token and in float32, so that sums, means and length-cut variants all follow from them. Every completion is found by
a key over what decides its numbers: the reference's weights, the prompt's ids, the completion's ids, and how it was
computed. beta, learning rate or loss are no part of it, so changing one computes nothing again; and a number that was
made from something else has another key, so it is never taken for this one.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from tasks import whole
from tasks.engine import groups
from tasks.engine.groups import Group, Ids
from tasks.engine.scoring import Scorer, completion_logps
from tasks.settings import Compute

FORMAT = "1"


class Unusable(Exception):
    """The cache's numbers are not those that are needed; the message says why."""


class References:
    """Log-probabilities (nats) by completion, of one reference under one numerics."""

    def __init__(self, weights_sha256: str, numerics: str, logps: dict[bytes, torch.Tensor]):
        self.weights_sha256, self.numerics, self._logps = weights_sha256, numerics, logps

    @classmethod
    def compute(
        cls, scorer: Scorer, asked: Sequence[Group], weights_sha256: str, compute: Compute
    ) -> References:
        """Of all completions of these groups, a pack at a time."""
        made = cls(weights_sha256, numerics_of(compute), {})
        logps = iter(completion_logps(scorer, asked, compute.tokens_at_once))
        for group in asked:
            for completion in group.completions:
                made._logps[made._key(group.prompt, completion)] = next(logps)
        return made

    @classmethod
    def load(cls, path: Path, weights_sha256: str | None, compute: Compute) -> References:
        """Those on disk; Unusable when they are of other weights, or weights without a hash, or other numerics."""
        if weights_sha256 is None:
            raise Unusable("the reference's weights have no hash")
        if not path.exists():
            raise Unusable(f"{path} does not exist")
        wanted = _made(weights_sha256, numerics_of(compute))
        try:
            with safe_open(path, framework="pt") as file:
                found = json.loads((file.metadata() or {}).get("made", "{}"))
                for name, value in wanted.items():
                    if found.get(name) != value:
                        raise Unusable(f"{path}: its {name} is {found.get(name)}, and {value} is needed")
                keys, values, lengths = (file.get_tensor(name) for name in ("keys", "logps", "lengths"))
        except (OSError, ValueError, SafetensorError) as error:
            raise Unusable(f"{path} cannot be read ({' '.join(str(error).split())[:100]})") from error
        cut = groups.split(values, lengths.tolist())
        return cls(
            weights_sha256,
            wanted["numerics"],
            dict(zip((bytes(key.tolist()) for key in keys), cut, strict=True)),
        )

    def save(self, path: Path) -> None:
        """Nothing; one file, the same bytes for the same numbers."""
        keys = sorted(self._logps)
        values = [self._logps[key] for key in keys]
        found = {
            "keys": torch.tensor([list(key) for key in keys], dtype=torch.uint8).reshape(-1, 32),
            "logps": torch.cat([torch.zeros(0), *values]),
            "lengths": torch.tensor([len(value) for value in values], dtype=torch.int32),
        }
        # one entry: safetensors writes several in an order of its own, and the same numbers were other bytes
        made = {"made": json.dumps(_made(self.weights_sha256, self.numerics))}
        with whole.aside(path) as fresh:
            save_file(found, fresh, metadata=made)

    def per_token(self, asked: Sequence[Group]) -> list[torch.Tensor]:
        """A tensor of shape (tokens,) for each completion, group by group; Unusable when one is missing."""
        found = []
        for place, group in enumerate(asked):
            for completion in group.completions:
                known = self._logps.get(self._key(group.prompt, completion))
                if known is None:
                    raise Unusable(f"it lacks a completion of group {place}")
                found.append(known)
        return found

    def sums(self, asked: Sequence[Group]) -> list[float]:
        """log pi_ref(y | x) of each completion, in nats a sequence."""
        return [float(logps.double().sum()) for logps in self.per_token(asked)]

    def __len__(self) -> int:
        return len(self._logps)

    def _key(self, prompt: Ids, completion: Ids) -> bytes:
        whole = hashlib.sha256(f"{FORMAT} {self.weights_sha256} {self.numerics} {len(prompt)}".encode())
        whole.update(struct.pack(f"<{len(prompt) + len(completion)}q", *prompt, *completion))
        return whole.digest()


def _made(weights_sha256: str, numerics: str) -> dict[str, str]:
    return {"format": FORMAT, "weights_sha256": weights_sha256, "numerics": numerics}


def numerics_of(compute: Compute) -> str:
    """What of the machine's side decides the numbers."""
    device = "cuda" if compute.device != "cpu" and torch.cuda.is_available() else "cpu"
    return f"{compute.dtype} on {device}, torch {torch.__version__.partition('+')[0]}"
