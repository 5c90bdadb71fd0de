"""No more than so many requests in a minute, evenly, however many threads ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pace:
    """Turns that lie 60 / `per_minute` seconds apart; None for no limit.

    A turn is of a request and not of its retries: those wait as the server says (Retry-After), or longer each time.
    """

    def __init__(self, per_minute: int | None, clock: Callable[[], float] = time.monotonic):
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._clock, self._next = clock, clock()
        self._lock, self._stopped = threading.Lock(), threading.Event()

    def turn(self) -> bool:
        """True when it has come; False when it will not any more."""
        return not self._stopped.wait(self.taken())

    def taken(self) -> float:
        """Seconds until the turn that is taken with this call."""
        with self._lock:
            now = self._clock()
            turn = max(self._next, now)
            self._next = turn + self._gap
            return turn - now

    def stop(self) -> None:
        """Nothing; whoever waits goes home."""
        self._stopped.set()
