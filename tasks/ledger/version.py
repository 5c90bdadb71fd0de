"""Which version of the code this is, as git tells it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tasks.ledger.scratch import digest

CODE = ("tasks", "flows", "params.yaml", "dvc.yaml", "pyproject.toml", "constraints.txt")


def tags() -> dict[str, str]:
    """`git.sha`, and `git.dirty` when code or parameters differ from that commit; empty without git."""
    sha = _git("rev-parse", "--verify", "HEAD")
    if sha is None:
        return {}
    changed = _git("status", "--porcelain", "--", *CODE)
    return {"git.sha": sha, "git.dirty": "unknown" if changed is None else str(bool(changed)).lower()}


def changes() -> dict[str, str]:
    """File -> SHA-256 of what it holds, of the code and parameters that the commit does not hold; `gone` if removed."""
    edited = _git("diff", "--name-only", "--no-renames", "-z", "HEAD", "--", *CODE, "assets") or ""
    new = _git("ls-files", "--others", "--exclude-standard", "-z", "--", *CODE, "assets") or ""
    paths = sorted({Path(name) for name in (edited + "\0" + new).split("\0") if name})
    return {path.as_posix(): digest(path) if path.is_file() else "gone" for path in paths}


def _git(*words: str) -> str | None:
    try:
        asked = subprocess.run(["git", *words], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.strip() if asked.returncode == 0 else None
