"""git and dvc as commands: what they say, or a Refusal with what they complain of."""

import subprocess
import sys
from pathlib import Path

from flows import stage_process
from tasks.refusal import Refusal


def git(root: Path, *words: str) -> str:
    """What git says of the repository at `root`, without the last newline."""
    asked = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True)
    if asked.returncode:
        cause = (asked.stderr.strip().splitlines() or ["it failed"])[-1]
        raise Refusal(f"git {' '.join(words)}", cause, "run in a git repository with a commit")
    return asked.stdout.removesuffix("\n")


def dvc(root: Path, *words: str) -> str:
    """What dvc says in the folder `root`, without edge spaces."""
    asked = subprocess.run(
        [sys.executable, "-m", "dvc", *words],
        cwd=root,
        capture_output=True,
        text=True,
        env={**stage_process.environment(), **_author(root)},
    )
    if asked.returncode:
        cause = " ".join((asked.stderr or asked.stdout).split())[-300:]
        raise Refusal(f"dvc {' '.join(words)} in {root}", cause, "mend that, then retry the run")
    return asked.stdout.strip()


def _author(root: Path) -> dict[str, str]:
    """For a machine whose git knows no name yet: an experiment is a commit."""
    asked = subprocess.run(["git", "var", "GIT_COMMITTER_IDENT"], cwd=root, capture_output=True)
    if asked.returncode == 0:
        return {}
    return {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "gallim"), ("EMAIL", "gallim@localhost"))
    }
