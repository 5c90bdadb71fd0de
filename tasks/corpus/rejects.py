"""Refused rows: a JSON object a line, with place, cause and cure; above some share of them a stage stops."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tasks.refusal import Refusal


def keep(rejects: Sequence[Refusal], read: int, most: float, path: Path) -> None:
    """Writes the rejects, then stops when they are more than the share `most` of the rows read."""
    lines = [{"place": reject.place, "cause": reject.cause, "cure": reject.cure} for reject in rejects]
    write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), path)
    if len(rejects) > most * read:
        common, times = causes(rejects).most_common(1)[0]
        share = f"{len(rejects) / read:.3g}, more than prepare.max_reject_share {most:g}"
        cause = f"{len(rejects)} of {read} rows are refused ({share}), most often: {common} ({times})"
        raise Refusal(rejects[0].place, cause, f"see {path} for every place and cure, or raise the share")


def causes(rejects: Sequence[Refusal]) -> Counter[str]:
    """How many rows were refused for each cause, without its particulars, which stand in brackets."""
    return Counter(reject.cause.split(" (")[0] for reject in rejects)


def write_text(text: str, path: Path) -> None:
    """The file, which appears only when whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
