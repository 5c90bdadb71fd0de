"""Dates as ISO text of the precision given, so that text order is time order."""

from __future__ import annotations

import datetime
import re
from typing import Any

_SPACED = re.compile(r"([0-9]{4})(?:\s*[-./년]\s*([0-9]{1,2})(?:\s*[-./월]\s*([0-9]{1,2}))?)?(?![0-9])")
_COMPACT = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})?(?![0-9])")


def iso(value: Any) -> str | None:
    """2024, 2024-01 or 2024-01-31, from a date object or text such as 2024.1.31; None from all else."""
    if isinstance(value, datetime.date):
        return value.isoformat()[:10]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value).strip() if not isinstance(value, int) or abs(value) < 10**8 else ""
    match = _SPACED.match(text) or _COMPACT.match(text)
    if match is None:
        return None
    parts = [int(part) for part in match.groups() if part is not None]
    try:
        datetime.date(*[*parts, 1, 1][:3])
    except ValueError:
        return None
    return "-".join([f"{parts[0]:04}", *(f"{part:02}" for part in parts[1:])])
