"""What judges behind an endpoint may cost: requests, tokens and money, before the first is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

from tasks.measures.contests import pairs
from tasks.measures.price import BYTES_A_TOKEN, FRAME
from tasks.preflight.finding import Finding, failure, not_yet, note
from tasks.preflight.seen import Seen
from tasks.sections.asked import EndpointTeacher

ORDERS = 2  # of two summaries: either comes first once


def findings(seen: Seen) -> Iterator[Finding]:
    """Of every entry of duel.judges, and of a teacher behind an endpoint; nothing where nobody is asked."""
    given, branches = seen.given, list(seen.given.branches.entries())
    sizes = _bytes(seen)
    asks = isinstance(given.feedback.teacher, EndpointTeacher) and bool(given.branches.feedback)
    if sizes is None:
        if given.duel.judges or asks:
            yield not_yet(
                "judge cost", "duel.judges", "there are no rows to count", "the stages duel and feedback"
            )
        return
    document, summary = sizes
    for name, judge in given.duel.judges.items():
        prompts = min(_held_out(seen), given.duel.prompts or 10**9)
        requests = len(pairs(branches)) * len(given.seeds) * prompts * ORDERS
        sent = requests * (
            _rubric("assets/duels", judge.rubric) + _tokens(document + 2 * summary) + 2 * FRAME
        )
        replied = requests * judge.price.reply_tokens
        cost = (sent * judge.price.input + replied * judge.price.output) / 1e6
        place = f"params.yaml: duel.judges.{name}"
        cause = f"at most {requests:,} requests, about {sent:,} tokens to send and {replied:,} to get, cost {cost:.2f}"
        numbers = {"requests": requests, "sent": sent, "replied": replied, "cost": cost}
        if cost > judge.price.max_cost:
            cause += f"; price.max_cost is {judge.price.max_cost:g}"
            yield failure("judge cost", place, cause, "raise max_cost, or lower duel.prompts", **numbers)
        else:
            yield note("judge cost", place, cause, **numbers)
    if asks and isinstance(given.feedback.teacher, EndpointTeacher):
        documents = min(_train(seen), given.feedback.documents or 10**9)
        requests = documents * len(given.feedback.sources) * len(given.branches.feedback)
        rubric = _rubric("assets/rubrics", given.feedback.teacher.rubric)
        sent = requests * (rubric + _tokens(document + summary) + 2 * FRAME)
        cause = f"at most {requests:,} requests, about {sent:,} tokens to send"
        yield note("judge cost", "params.yaml: feedback.teacher", cause, requests=requests, sent=sent)


def _bytes(seen: Seen) -> tuple[float, float] | None:
    """Mean bytes of a document and of a summary."""
    rows = next((rows.rows for rows in seen.splits.values() if rows.rows), None)
    if not rows:
        return None
    documents, summaries = ([len(row[name].encode()) for row in rows] for name in ("document", "summary"))
    return fmean(documents), fmean(summaries)


def _tokens(size: float) -> int:
    return -(-int(size) // BYTES_A_TOKEN)


def _rubric(folder: str, name: str) -> int:
    path = Path(folder) / f"{name}.txt"
    return _tokens(path.stat().st_size) if path.is_file() else 0


def _held_out(seen: Seen) -> int:
    rows = seen.splits.get(seen.given.evaluate.split)
    if rows is not None and rows.of is not None:
        return rows.of
    return int(getattr(seen.given.prepare.source, seen.given.evaluate.split, 0)) or 1


def _train(seen: Seen) -> int:
    rows = seen.splits["train"]
    return rows.of or int(getattr(seen.given.prepare.source, "train", 0)) or len(rows.rows)
