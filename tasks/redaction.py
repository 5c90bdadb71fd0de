"""Text without secrets, for whatever is shown, logged or kept: terminals, logs, errors, MLflow, receipts."""

from __future__ import annotations

import os
import re

HIDDEN = "***"
SHORTEST = 6  # characters; to hide a shorter value would hide words that merely look like it
NAMES = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|AUTH|AUTH_STRING|CREDENTIALS?)$")  # of variables

_USER = re.compile(r"(?<=//)[^/\s]*@")  # user:password@, up to the last @ before a slash
_ASKED = re.compile(
    r"([?&;][^=&;\s]*(?:key|token|secret|passw|auth|sig)[^=&;\s]*=)[^&;\s'\"]+", re.IGNORECASE
)
_HEADER = re.compile(
    r"\b((?:proxy-)?authorization|(?:x-)?api[-_]key)(['\"]?\s*[:=]\s*['\"]?(?:(?:bearer|basic|token)\s+)?)"
    r"[^\s'\",;&}]+",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(bearer\s+)[\w.~+/=-]{8,}", re.IGNORECASE)


def redacted(text: str) -> str:
    """The text with *** for each key in it, in addresses, in headers, or of the environment; no user in an address."""
    for value in _known():
        text = text.replace(value, HIDDEN)
    text = _ASKED.sub(rf"\g<1>{HIDDEN}", nobody(text))
    text = _HEADER.sub(rf"\g<1>\g<2>{HIDDEN}", text)
    return _BEARER.sub(rf"\g<1>{HIDDEN}", text)


def nobody(text: str) -> str:
    """The text without users and passwords in its addresses: the same in every environment."""
    return _USER.sub("", text)


def _known() -> list[str]:
    """Values of this environment that are secret by their name, and passwords of its addresses; the longest first."""
    found: set[str] = set()
    for name, value in os.environ.items():
        if NAMES.search(name.upper()):
            found |= {value, value.partition(":")[2]}  # "user:password", whole and apart
        found |= {one.partition(":")[2].removesuffix("@") for one in _USER.findall(value)}
    return sorted((value for value in found if len(value) >= SHORTEST), key=len, reverse=True)
