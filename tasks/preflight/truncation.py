"""What is cut or left out where: rows too long for the model, summaries too long to be said, and equal rows for all."""

from __future__ import annotations

import importlib
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tasks.preflight.finding import Finding, failure, not_yet, note, warning
from tasks.preflight.seen import Seen
from tasks.refusal import Refusal

METRICS = Path("reports/metrics")
FEW = 0.01  # of rows: what is rarer is a note
ENDED = {  # stage -> the share of completions in its record that ended by themselves
    "sample": ("ended_share",),
    "evaluate": ("greedy_ended", "sampled_ended"),
}


def findings(seen: Seen) -> Iterator[Finding]:
    """By stage, from the rows where they are there, and from the records of stages that are current."""
    yield from _of_rows(seen)
    if seen.plan is None:
        return
    for planned in seen.plan.stages:
        wanted = ENDED.get(planned.target.stage)
        if wanted and not planned.due:
            yield from _ended(planned.target.record, wanted)
    yield from _equal_rows(seen)


def _of_rows(seen: Seen) -> Iterator[Finding]:
    if seen.start is None or not seen.splits:
        yield not_yet(
            "truncation", "data/prepared", "no tokenizer or no rows yet", "the stage sft refuses a row"
        )
        return
    from tasks.engine.text import encode_completion, encode_prompt, render

    text, tokenizer = seen.given.text, seen.tokenizer
    context = seen.config.get_text_config().max_position_embeddings
    for split, rows in seen.splits.items():
        if not rows.rows:
            continue
        try:
            prompts = [
                len(encode_prompt(tokenizer, render(tokenizer, r["document"], text))) for r in rows.rows
            ]
        except Refusal:  # said by another check
            return
        answers = [len(encode_completion(tokenizer, row["summary"])) for row in rows.rows]
        needed = [p + max(a, text.max_completion_tokens) for p, a in zip(prompts, answers, strict=True)]
        over, unsaid = (
            sum(n > context for n in needed),
            sum(n > text.max_completion_tokens for n in answers),
        )
        numbers = {"longest": max(needed), "context": context, "over": over, "unsaid": unsaid}
        if over:
            cause = f"{over} of {len(needed)} rows need up to {max(needed)} tokens, the model has {context}"
            cure = "lower prepare.max_document_characters or text.max_completion_tokens; sft will refuse them"
            yield failure("truncation", rows.place, cause, cure, **numbers)
        if unsaid > FEW * len(answers):
            cause = (
                f"{unsaid} of {len(answers)} summaries are longer than text.max_completion_tokens "
                f"({text.max_completion_tokens}), the longest has {max(answers)} tokens"
            )
            cure = "raise text.max_completion_tokens: such a summary is learned, and cut off when it is said"
            yield warning("truncation", rows.place, cause, cure, **numbers)
        elif not over:
            cause = (
                f"{split}: 0 of {len(needed)} rows cut; the longest needs {max(needed)} of {context} tokens"
            )
            yield note(
                "truncation", rows.place, f"{cause}; {unsaid} summaries too long to be said", **numbers
            )


def _ended(record: str, wanted: tuple[str, ...]) -> Iterator[Finding]:
    found = _record(record)
    for name in wanted:
        if name in found and found[name] < 1 - FEW:
            cause = f"{1 - found[name]:.1%} of its completions were cut off ({name})"
            cure = "raise text.max_completion_tokens, or look whether the model has learned to end"
            yield warning("truncation", f"{METRICS}/{record}.json", cause, cure, cut=1 - found[name])


def _equal_rows(seen: Seen) -> Iterator[Finding]:
    """Branches that read one file must have trained on all of its rows."""
    rows: dict[str, dict[str, int]] = defaultdict(dict)
    for planned in seen.plan.stages if seen.plan else ():
        target = planned.target
        if target.stage == "align" and not planned.due and target.family:
            found = _record(target.record)
            family = importlib.import_module(f"tasks.engine.families.{target.family}")
            path = family.TRAIN.format(branch=target.branch, seed=target.seed)
            if "rows" in found:
                rows[path][target.record] = found["rows"]
    for path, by_record in rows.items():
        there = pq.read_metadata(path).num_rows if Path(path).exists() else None
        odd = {record: count for record, count in by_record.items() if there is not None and count != there}
        if odd:
            cause = (
                f"{', '.join(f'{record} had {count}' for record, count in odd.items())} of its {there} rows"
            )
            yield failure(
                "rows", path, cause, "run `dvc repro` for them: rows must be equal over branches", **odd
            )
        elif there is not None:
            yield note("rows", path, f"{len(by_record)} trainings had all of its {there} rows", rows=there)


def _record(record: str) -> dict[str, Any]:
    path = METRICS / f"{record}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
