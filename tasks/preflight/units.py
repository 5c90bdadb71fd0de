"""Seconds and bytes as people read them."""

from __future__ import annotations


def span(seconds: float) -> str:
    """`40 s`, `12 min` or `3.1 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """`300 MiB` or `1.2 GiB`."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**29 else f"{count / 2**20:.0f} MiB"
