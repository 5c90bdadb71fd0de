"""Stage judge: a score in [0, 1] for every sample, with the parts that it is made of."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks import whole
from tasks.measures.gold import judge_of, known_of
from tasks.refusal import Refusal
from tasks.sections.trunk import Judge

OUT = "data/judged.parquet"


def run(judge: Judge) -> dict[str, float | int | str]:
    """Mean and spread of the scores; the table keeps what the judge knew of each document (`gold`)."""
    documents = pq.read_table("data/prepared/train.parquet", columns=["id", "facts", "summary"]).to_pylist()
    known = {row["id"]: known_of(judge.kind, row) for row in documents}
    unknown = [name for name, told in known.items() if told is None]
    if unknown:
        raise Refusal(
            f"data/prepared/train.parquet: {unknown[0]}",
            "has no facts for the exact judge",
            "set judge.kind: rouge",
        )
    samples = pq.read_table("data/samples.parquet").to_pylist()
    score = judge_of(judge.kind)
    verdicts = [score(row["completion"], known[row["id"]]) for row in samples]
    table = pa.Table.from_pylist(
        [{**row, **verdict, "gold": known[row["id"]]} for row, verdict in zip(samples, verdicts, strict=True)]
    ).append_column("judge", pa.array([judge.kind] * len(samples)))
    named = ["score" if n == "total" else n for n in table.column_names]
    whole.table(Path(OUT), table.rename_columns(named))
    totals = sorted(verdict["total"] for verdict in verdicts)
    mean = sum(totals) / len(totals)
    return {
        "kind": judge.kind,
        "rows": len(totals),
        "mean": round(mean, 6),
        "deviation": round((sum((total - mean) ** 2 for total in totals) / len(totals)) ** 0.5, 6),
        "median": round(totals[len(totals) // 2], 6),
    }
