"""The one error a user is meant to read: where it is, why, and what to do."""

from __future__ import annotations


class Refusal(Exception):
    """Input that gallim will not work on; printed as one line `place: cause; cure`, without a traceback."""

    def __init__(self, place: str, cause: str, cure: str):
        self.place, self.cause, self.cure = place, cause, cure
        super().__init__(f"{place}: {cause}; {cure}")
