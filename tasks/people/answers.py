"""One rater's answers: a log that only grows, on disk line by line before the next question is shown."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.refusal import Refusal

VERDICTS = ("a", "b", "tie", "skip")
UNDO = "undo"
SHARES = {"a": 1.0, "b": 0.0, "tie": 0.5}  # what a wins; a skipped question tells nothing
FIELDS = {"question": str, "id": str, "verdict": str, "rater": str, "seed": int, "left": str}
CURE = "mend the line, or take it out"

Answer = dict[str, Any]


class Log:
    """The open log of one rater, held by one process at a time; `standing` is what was not taken back."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.file = path, path.open("ab")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.file.close()
            cure = "go on there, or give another name by --rater"
            raise Refusal(str(path), "another `rate` is writing to it", cure) from error
        self._cut_torn_end()
        _sync(path.parent)
        self.standing = standing(read(path))

    def append(self, answer: Answer) -> None:
        """Returns once the answer is on disk."""
        line = json.dumps(answer, ensure_ascii=False, sort_keys=True) + "\n"
        self.file.write(line.encode())
        self.file.flush()
        os.fsync(self.file.fileno())
        _replay(self.standing, answer)

    def close(self) -> None:
        self.file.close()

    def _cut_torn_end(self) -> None:
        """A line that a kill cut short was never answered to the browser, so it is no answer."""
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            self.file.truncate(whole)


def read(path: Path) -> list[Answer]:
    """Every whole line of the log, in order; a Refusal names one that is no answer."""
    found = []
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except OSError as error:
        raise Refusal(str(path), f"cannot be read ({error.strerror})", "mend or remove it") from error
    for number, line in enumerate(lines, start=1):
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise Refusal(f"{path}:{number}", f"is not JSON ({error})", CURE) from error
        whole = isinstance(answer, dict) and all(
            isinstance(answer.get(n), kind) for n, kind in FIELDS.items()
        )
        if not whole or answer["verdict"] not in (*VERDICTS, UNDO) or answer["left"] not in ("a", "b"):
            raise Refusal(f"{path}:{number}", "is no answer", CURE)
        if isinstance(answer["seed"], bool) or answer["seed"] < 0:
            raise Refusal(f"{path}:{number}", "is no answer", CURE)
        found.append(answer)
    return found


def standing(answers: Sequence[Answer]) -> dict[str, Answer]:
    """The answer to each question, by its key, the latest last; what was taken back is not among them."""
    found: dict[str, Answer] = {}
    for answer in answers:
        _replay(found, answer)
    return found


def seed_of(answers: Mapping[str, Answer], path: Path) -> int | None:
    """The one seed under which all these questions were drawn; None without any."""
    seeds = {answer["seed"] for answer in answers.values()}
    if len(seeds) > 1:
        raise Refusal(str(path), f"has answers of the seeds {sorted(seeds)}", "keep those of one seed")
    return seeds.pop() if seeds else None


def _replay(found: dict[str, Answer], answer: Answer) -> None:
    found.pop(answer["question"], None)
    if answer["verdict"] != UNDO:
        found[answer["question"]] = answer


def _sync(folder: Path) -> None:
    """So that a new file's name outlives a power cut, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
