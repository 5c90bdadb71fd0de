"""The one error a user is meant to read: where it is, why, and what to do."""

from __future__ import annotations

from tasks.redaction import redacted

LONGEST = 4000  # characters of each part; the file that is refused may be one line of many megabytes


class Refusal(Exception):
    """Input that gallim will not work on; printed as one line `place: cause; cure`, without a traceback.

    Its parts may quote the input, so they are made harmless here, for every reader at once: one line, no secret, no
    control character that a terminal would obey, no half character that no file could hold.
    """

    def __init__(self, place: str, cause: str, cure: str):
        self.place, self.cause, self.cure = (_harmless(part) for part in (place, cause, cure))
        super().__init__(f"{self.place}: {self.cause}; {self.cure}")


def _harmless(text: str) -> str:
    text = redacted(text)
    cut = text if len(text) <= LONGEST else f"{text[:LONGEST]} ... ({len(text)} characters)"
    if cut.isprintable():
        return cut
    return "".join(one if one.isprintable() else _escaped(one) for one in cut)


def _escaped(sign: str) -> str:
    if sign in "\t\n\r\v\f\x85\u2028\u2029":
        return " "
    return sign.encode("unicode_escape").decode("ascii")
