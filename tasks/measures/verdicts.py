"""What a teacher has replied, by the hash of what it was asked: a log that grows by a line a verdict.

A verdict costs money or minutes, so it is on disk as soon as it is there, and a stage that is started again asks only
for what is missing. Several processes may add to one log.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Line = dict[str, str]


class Verdicts:
    """The replies in a log, which takes over those of other files; for any number of threads."""

    def __init__(self, log: Path, others: Iterable[Path] = ()):
        self._log, self._known, self._lock = log, _read(log), threading.Lock()
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and not log.read_bytes().endswith(b"\n"):  # what a killed process left
            self._append("\n")
        for line in (line for other in others for line in _read(other).values()):
            if line["key"] not in self._known:
                self._add(line)

    def reply(self, request: Mapping[str, Any]) -> str | None:
        """What was replied to this very request, None where it was never made."""
        line = self._known.get(key_of(request))
        return line["reply"] if line else None

    def keep(self, request: Mapping[str, Any], reply: str) -> None:
        """Nothing; when this returns the reply is on disk."""
        self._add({"key": key_of(request), "model": str(request["model"]), "reply": _whole(reply)})

    def export(self, path: Path, requests: Iterable[Mapping[str, Any]]) -> None:
        """Nothing; the file is a new one that holds the replies to these, in an order that no arrival decides."""
        keys = sorted({key_of(request) for request in requests})
        fresh = path.with_name(f"{path.name}.new")
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text("".join(_text(self._known[key]) for key in keys), encoding="utf-8")
        os.replace(fresh, path)  # never written into: the old one may be a link into DVC's cache

    def _add(self, line: Line) -> None:
        with self._lock:
            self._append(_text(line))
            self._known[line["key"]] = line

    def _append(self, text: str) -> None:
        """One write, so that the lines of two processes do not mix."""
        with self._log.open("ab", buffering=0) as file:
            file.write(text.encode())
            os.fsync(file.fileno())


def key_of(request: Mapping[str, Any]) -> str:
    """sha256 of the whole request, the model's name included; the address it is sent to is no part of it."""
    whole = json.dumps(request, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(whole.encode()).hexdigest()


def _text(line: Line) -> str:
    return json.dumps(line, sort_keys=True, ensure_ascii=False) + "\n"


def _read(path: Path) -> dict[str, Line]:
    """The file's lines by key; half a line, or one that is none, is no verdict, and is asked for again."""
    found = {}
    for text in path.read_bytes().split(b"\n") if path.is_file() else []:
        try:
            line = json.loads(text)
            told = {name: line[name] for name in ("key", "model", "reply")}
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        if all(isinstance(part, str) and part == _whole(part) for part in told.values()):
            found[told["key"]] = told
    return found


def _whole(text: str) -> str:
    """The text, U+FFFD for half a character, which no file could hold; a reply is what a stranger sends."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
