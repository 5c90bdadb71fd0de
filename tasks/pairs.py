"""Stage pairs: chosen and rejected summaries, in fold A (training) and fold B (the evaluation reward model)."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks import whole
from tasks.corpus import leaks
from tasks.corpus.pairs import NOISY, SCHEMA, sides, told
from tasks.corpus.preferences import own_rows
from tasks.engine import models
from tasks.engine.text import render, render_chat, require_room
from tasks.measures.cures import flip
from tasks.measures.strength import NOISE, planted
from tasks.refusal import Refusal
from tasks.sections.documents import Own
from tasks.sections.trunk import Pairs, SampledPairs
from tasks.settings import Text

OUT = Path("data/pairs")


def run(pairs: Pairs, own: Own, text: Text) -> dict[str, float | int]:
    """Counts of pairs, of what was dropped and why, and how much the judge prefers the longer summary."""
    tokenizer = models.load_tokenizer(models.SFT)
    if isinstance(pairs.source, SampledPairs):
        rows, dropped = sampled(pairs.source.min_margin)
        documents = dict(_columns("data/prepared/train.parquet", "id", "document"))
        for row in rows:
            row["prompt"] = render(tokenizer, documents[row["id"]], text)
    else:
        rows, dropped = own_rows(Path(own.pairs), lambda messages: render_chat(tokenizer, messages))
        context = models.context_tokens(models.SFT)
        require_room("own.pairs", rows, ("chosen", "rejected"), tokenizer, text, context)
        leaks.require_none("own.pairs", [row["id"] for row in rows], [row["prompt"] for row in rows])
    mended = dropped.pop("mended", None)
    folds = split(rows, pairs)
    OUT.mkdir(parents=True, exist_ok=True)
    for name, part in folds.items():
        if not part:
            raise Refusal(
                f"data/pairs/{name}.parquet",
                f"no pair is left for it ({len(rows)} pairs in all; dropped: {dict(dropped)})",
                "lower pairs.source.min_margin, sample more completions, or give more pairs",
            )
        written, schema = part, SCHEMA
        if name == "a" and pairs.planted:
            written, schema = with_noise(part, pairs), NOISY
        whole.table(OUT / f"{name}.parquet", pa.Table.from_pylist(written, schema=schema))
    return {
        **{f"rows_{name}": len(part) for name, part in folds.items()},
        "planted": round(pairs.planted * len(folds["a"])),
        **({} if mended is None else {"rows_mended": mended}),
        **{f"dropped_{reason}": count for reason, count in sorted(dropped.items())},
        **told(rows),
    }


def sampled(min_margin: float) -> tuple[list[dict[str, Any]], Counter[str]]:
    """The best against the worst sample of each document, and the counts of documents that gave no pair."""
    by_document: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in pq.read_table("data/judged.parquet").to_pylist():
        by_document[row["id"]].append(row)
    rows, dropped = [], Counter()
    for name, samples in by_document.items():
        usable = [row for row in samples if row["ended"] and row["completion"]]
        dropped["samples_cut_off"] += sum(not row["ended"] for row in samples)
        dropped["samples_empty"] += sum(not row["completion"] for row in samples)
        if len({row["completion"] for row in usable}) < 2:
            dropped["documents_identical" if len(usable) > 1 else "documents_without_two"] += 1
            continue
        # among equals the first sample wins: the order is the sampler's, so it is seeded
        chosen = max(usable, key=lambda row: (row["score"], -row["sample"]))
        rejected = min(usable, key=lambda row: (row["score"], row["sample"]))
        if chosen["score"] - rejected["score"] < min_margin:
            dropped["documents_tied"] += 1
            continue
        scored = ((row["completion"], row["score"]) for row in (chosen, rejected))
        rows.append({"id": name, "gold": chosen["gold"], "judge": chosen["judge"], **sides(*scored)})
    return rows, dropped


def split(rows: list[dict[str, Any]], pairs: Pairs) -> dict[str, list[dict[str, Any]]]:
    """Rows by fold: all pairs of one prompt together, so no prompt stands in two folds."""
    prompts = sorted({row["prompt"] for row in rows})
    order = np.random.default_rng(pairs.seed).permutation(len(prompts))
    in_b = round(pairs.fold_b * len(prompts))
    fold: dict[str, str] = {}
    for name, part in (("b", order[:in_b]), ("a", order[in_b:])):
        held = round(pairs.holdout * len(part))
        fold |= {prompts[i]: f"{name}_holdout" if k < held else name for k, i in enumerate(part)}
    return {
        name: [row for row in rows if fold[row["prompt"]] == name]
        for name in ("a", "a_holdout", "b", "b_holdout")
    }


def with_noise(rows: list[dict[str, Any]], pairs: Pairs) -> list[dict[str, Any]]:
    """The rows, a share of them the other way round, each marked; a Refusal where the share is less than one row."""
    turned = planted(len(rows), pairs.planted, pairs.seed, NOISE)
    if not turned.any():
        cause = f"{pairs.planted:g} of {len(rows)} training pairs is less than one"
        raise Refusal("params.yaml: pairs.planted", cause, "raise it, set it to 0, or give more pairs")
    return [
        (flip(row) if other else row) | {"planted": other}
        for row, other in zip(rows, turned.tolist(), strict=True)
    ]


def _columns(path: str, *names: str) -> list[tuple[Any, ...]]:
    table = pq.read_table(path, columns=list(names))
    return list(zip(*(table.column(name).to_pylist() for name in names), strict=True))
