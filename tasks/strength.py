"""Stage strength: the members' votes on fold A's pairs put together, and held against labels turned on purpose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks import whole
from tasks.engine import models
from tasks.engine.families import pairs as family
from tasks.engine.journal import Journal
from tasks.measures import strength as measured
from tasks.measures.lens import lens
from tasks.refusal import Refusal
from tasks.sections.strength import Strength
from tasks.settings import Compute

PAIRS, MEMBERS, REPORTS = Path("data/pairs/a.parquet"), Path("data/strength"), Path("reports/strength")
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("strength", pa.float64()),
        ("spread", pa.float64()),
        ("voters", pa.int64()),
        ("class", pa.string()),
        ("planted", pa.bool_()),
        ("strength_planted", pa.float64()),  # of the label as it was turned, by the audit's own members
    ]
)


def run(by: str, strength: Strength, compute: Compute, journal: Journal) -> dict[str, float | int | str]:
    """Share of pairs that the vote finds turned round, mean spread, and how many planted flips it recalls."""
    pairs = pq.read_table(PAIRS).to_pylist()
    given, audited = (
        measured.votes(_differences(by, labels, strength, len(pairs))) for labels in ("given", "planted")
    )
    turned_P = measured.planted(len(pairs), strength.planted, strength.seed)
    if not turned_P.any():
        cause = f"{strength.planted:g} of {len(pairs)} pairs is less than one"
        raise Refusal("params.yaml: strength.planted", cause, "raise it, or give more pairs")
    audit = measured.audit(audited.mean_P, turned_P)
    found = lens(given, audit, _columns(pairs, compute, journal)) | _noise(given, pairs)
    named = measured.classes(given.mean_P)
    columns = [[str(pair["id"]) for pair in pairs], given.mean_P, given.spread_P, given.count_P, named]
    table = pa.table([pa.array(column) for column in (*columns, turned_P, audited.mean_P)], schema=SCHEMA)
    out = Path(f"data/strength-{by}.parquet")
    whole.table(out, table)
    told = {"kind": strength.votes[by].kind, "planted_share": strength.planted, **_rounded(found)}
    text = json.dumps(told, indent=2, sort_keys=True, allow_nan=False)
    whole.text(REPORTS / f"{by}.json", text + "\n")
    return {
        "data_sha256": models.file_sha256(out),
        "pairs_sha256": models.file_sha256(PAIRS),
        "rows": len(pairs),
        "below_zero": round(found["below_zero"], 6),
        "mean_spread": round(found["spread"], 6),
        "audit_recall": round(audit.recall, 6),
        "audit_planted": audit.planted,
        **{f"noise_{name}": value for name, value in _rounded(found.get("noise", {})).items()},
    }


def _noise(given: measured.Votes, pairs: list[dict[str, Any]]) -> dict[str, Any]:
    """Whether the votes find the labels that `pairs.planted` turned; nothing where it turned none. Told, never used."""
    if "planted" not in pairs[0]:
        return {}
    noise = measured.audit(given.mean_P, np.array([pair["planted"] for pair in pairs]))
    return {"noise": {"planted": noise.planted, "recall": noise.recall}}


def _differences(by: str, labels: str, strength: Strength, count: int) -> np.ndarray:
    """(M, P): what each member says of each pair that it votes on."""
    rows_MP = np.full((len(strength.members), count), np.nan)
    for row_P, seed in zip(rows_MP, strength.members, strict=True):
        votes = pq.read_table(MEMBERS / by / f"{labels}-{seed}.parquet").to_pydict()
        row_P[votes["place"]] = votes["difference"]
    return rows_MP


def _columns(pairs: list[dict[str, Any]], compute: Compute, journal: Journal) -> dict[str, np.ndarray]:
    """What else is known of each pair; the log-probabilities under models/sft say how much it is the policy's own."""
    tokenizer = models.load_tokenizer(models.SFT)
    data = family.with_reference(family.groups(tokenizer, pairs), compute, journal)
    judged = [np.nan if pair["margin"] is None else pair["margin"] for pair in pairs]
    logps = {
        f"logp_{side}": np.array([group.meta[place] / len(group.completions[place]) for group in data])
        for place, side in enumerate(("chosen", "rejected"))
    }
    gaps = np.array([pair["characters_chosen"] - pair["characters_rejected"] for pair in pairs], dtype=float)
    return {"judge_margin": np.array(judged, dtype=float), "length_gap": gaps, **logps}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return round(value, 6) if isinstance(value, float) else value
