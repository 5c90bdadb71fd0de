"""One rater before the questions: which is next, and what an answer to it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from tasks.people.answers import UNDO, Answer, Log
from tasks.people.questions import Placed

SIDES = ("left", "right", "tie", "skip")  # what the page may send, beside undo


class Sitting:
    """`place` is the number of the first question without an answer, and `total` where all have one."""

    def __init__(
        self,
        placed: Sequence[Placed],
        log: Log,
        who: Answer,
        clock: Callable[[], float] = time.monotonic,
    ):
        """who: the fields that all answers share (models, rater, seed)."""
        self.asked = [each for each in placed if not each.question.is_tie]
        self.log, self.who, self.clock = log, who, clock
        self.shown_at: dict[int, float] = {}

    @property
    def total(self) -> int:
        return len(self.asked)

    @property
    def place(self) -> int:
        unanswered = (
            place for place, each in enumerate(self.asked) if each.question.key not in self.log.standing
        )
        return next(unanswered, self.total)

    @property
    def can_undo(self) -> bool:
        return self._last() is not None

    def show(self) -> Placed | None:
        """The question at `place`, from now on timed; None at the end."""
        place = self.place
        if place == self.total:
            return None
        self.shown_at.setdefault(place, self.clock())
        return self.asked[place]

    def take(self, place: int, side: str) -> None:
        """Writes the answer down; one to another place than the present is a key pressed twice, and nothing."""
        if place != self.place:
            return
        if side == UNDO:
            self._undo()
        elif side in SIDES and place < self.total:
            began = self.shown_at.pop(place, None)
            self._write(place, self.asked[place].verdict(side), began)
        elif side not in SIDES:
            raise ValueError(f"{side!r} is none of {', '.join(SIDES)}")

    def _undo(self) -> None:
        last = self._last()
        if last is not None:
            self.shown_at.clear()  # the way back and forth is no thinking
            self._write(last, UNDO, None)

    def _last(self) -> int | None:
        """The place that was answered last, of those that are asked today."""
        places = {each.question.key: place for place, each in enumerate(self.asked)}
        return next((places[key] for key in reversed(self.log.standing) if key in places), None)

    def _write(self, place: int, verdict: str, began: float | None) -> None:
        placed = self.asked[place]
        self.log.append(
            {
                **self.who,
                "question": placed.question.key,
                "id": placed.question.id,
                "verdict": verdict,
                "left": "a" if placed.a_is_left else "b",
                "seconds": None if began is None else round(self.clock() - began, 3),
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )
