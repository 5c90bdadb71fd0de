"""Where a stage writes its curve and tells its progress, as the engine sees it (it is tasks/ledger/journal.py)."""

from __future__ import annotations

from typing import Any, Protocol


class Journal(Protocol):
    """The curve and the progress of one stage."""

    def step(self, step: int, of: int, **numbers: float) -> None: ...
    def say(self, text: str) -> None: ...
    def resume_from(self, step: int) -> None: ...
    def curve(self) -> list[dict[str, Any]]: ...
