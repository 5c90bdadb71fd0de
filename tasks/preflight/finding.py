"""What a check found: how grave it is, where, why, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from tasks.refusal import Refusal

Level = Literal["failure", "warning", "note", "not yet"]
LEVELS: tuple[Level, ...] = ("failure", "warning", "note", "not yet")  # the gravest first


class Finding(NamedTuple):
    """One line of the report; `numbers` is the same for a program."""

    level: Level
    check: str
    place: str
    cause: str
    cure: str = ""
    numbers: dict[str, Any] = {}  # noqa: RUF012  (never written into)


def failure(check: str, place: str, cause: str, cure: str, **numbers: Any) -> Finding:
    """What a run would stop at, or be wrong by."""
    return Finding("failure", check, place, cause, cure, numbers)


def warning(check: str, place: str, cause: str, cure: str, **numbers: Any) -> Finding:
    """What a run would get through, and its reader should know."""
    return Finding("warning", check, place, cause, cure, numbers)


def note(check: str, place: str, cause: str, **numbers: Any) -> Finding:
    """What was looked at and is in order, with its figures."""
    return Finding("note", check, place, cause, "", numbers)


def not_yet(check: str, place: str, cause: str, later: str) -> Finding:
    """What cannot be looked at before something exists; `later` says who looks then."""
    return Finding("not yet", check, place, cause, later)


def refused(check: str, refusal: Refusal) -> Finding:
    """The same as a stage would say it."""
    return Finding("failure", check, refusal.place, refusal.cause, refusal.cure)


def asked(check: str, question: Callable[[], Any]) -> list[Finding]:
    """Nothing, or the Refusal that the question ends with."""
    try:
        question()
    except Refusal as refusal:
        return [refused(check, refusal)]
    return []
