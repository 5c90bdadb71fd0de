"""Stage unpaired: rated summaries of one branch, each good or bad by itself: of fold A's pairs, or the user's own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks import whole
from tasks.corpus import leaks
from tasks.corpus.preferences import own_ratings
from tasks.engine import models
from tasks.engine.text import render_chat, require_room
from tasks.refusal import Refusal
from tasks.sections.documents import Own
from tasks.settings import Text

PAIRS = Path("data/pairs/a.parquet")
SCHEMA = pa.schema(
    [("id", pa.string()), ("prompt", pa.string()), ("completion", pa.string()), ("desirable", pa.bool_())]
)


def run(branch: str, entry: Any, own: Own, text: Text) -> dict[str, float | int | str]:
    """Counts of good and bad rows, of their prompts, and of what was left out."""
    dropped: Counter[str] = Counter()
    if entry.ratings == "pairs":
        rows = of_pairs(pq.read_table(PAIRS).to_pylist())
    else:
        tokenizer = models.load_tokenizer(models.SFT)
        rows, dropped = own_ratings(Path(own.ratings), lambda messages: render_chat(tokenizer, messages))
        context = models.context_tokens(models.SFT)
        require_room("own.ratings", rows, ("completion",), tokenizer, text, context)
        leaks.require_none("own.ratings", [row["id"] for row in rows], [row["prompt"] for row in rows])
    mended = dropped.pop("mended", None)
    good = sum(row["desirable"] for row in rows)
    if not 0 < good < len(rows):
        raise Refusal(
            f"branches.unpaired.{branch}",
            f"all of its {len(rows)} rated summaries are {'good' if good else 'bad'}",
            "give rows of both kinds at own.ratings, or set ratings: pairs",
        )
    out = Path(f"data/unpaired/{branch}.parquet")
    whole.table(out, pa.Table.from_pylist(rows, schema=SCHEMA))
    return {
        "data_sha256": models.file_sha256(out),
        **({"pairs_sha256": models.file_sha256(PAIRS)} if entry.ratings == "pairs" else {}),
        "rows": len(rows),
        "rows_good": good,
        "rows_bad": len(rows) - good,
        "prompts": len({row["prompt"] for row in rows}),
        **({} if mended is None else {"rows_mended": mended}),
        **{f"dropped_{reason}": count for reason, count in sorted(dropped.items())},
    }


def of_pairs(pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Chosen as a good row and rejected as a bad one, each by itself."""
    return [
        {"id": pair["id"], "prompt": pair["prompt"], "completion": pair[side], "desirable": side == "chosen"}
        for pair in pairs
        for side in ("chosen", "rejected")
    ]
