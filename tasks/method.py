"""Stage method: ties a branch to the bytes of its method's file, so that editing the file re-runs the branch.

DVC's matrix over branches and seeds yields names only, so the file that a name stands for cannot be its dependency;
this stage is made per branch (DVC's foreach does know the method), and `align` depends on what it writes.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from tasks import methods, whole
from tasks.settings import Branch


def run(branch: str, family: str, entry: Branch) -> dict[str, str]:
    """The method, its family and the sha256 of its file, as written to models/methods/<branch>.json."""
    methods.load(entry.method)
    source = (methods.FOLDER / f"{entry.method}.py").read_bytes()
    tie = {"method": entry.method, "family": family, "source_sha256": hashlib.sha256(source).hexdigest()}
    out = Path(f"models/methods/{branch}.json")
    whole.as_json(out, tie)
    return {}
