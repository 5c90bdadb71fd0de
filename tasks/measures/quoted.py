"""A text of data within Markdown of ours."""

from __future__ import annotations

import html


def plain(text: str) -> str:
    """The text as text: no HTML, no link, no end of its cell."""
    escaped = html.escape(" ".join(text.split()), quote=False)
    return escaped.replace("|", "\\|").replace("](", "]\\(")
