"""How much a stage has to do, in tokens: trained on, scored, drawn; and in texts that are measured or read.

P is a mean prompt and S a mean summary, in tokens, of the rows that are there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from tasks.ledger.target import Target
from tasks.preflight.seen import Seen


class Work(NamedTuple):
    """Of one stage: tokens, optimizer's steps, texts, and models in memory (`trained`, `frozen`)."""

    train: float = 0  # tokens, forward and backward
    score: float = 0  # tokens, forward alone
    draw: float = 0  # tokens, one after the other
    texts: float = 0  # that are measured, judged or cleaned
    batch: float = 0  # tokens of one optimizer step's batch
    trained: int = 0  # models with gradient and AdamW's moments
    frozen: int = 0  # models beside them
    kept: int = 0  # whole models on disk at the end


class Sizes(NamedTuple):
    """Rows of the splits and of fold A, and mean tokens of prompt and summary."""

    train: int
    validation: int
    held_out: int  # of the split that is evaluated
    pairs: dict[str, int]  # by fold
    prompt: float
    summary: float


def sizes(seen: Seen) -> Sizes | None:
    """From the files where they are current, else from params.yaml; None where neither says how many rows there are."""
    from tasks.engine.text import encode_completion, encode_prompt, render

    rows = seen.splits.get("train") if seen.start is not None else None
    if rows is None or not rows.rows:
        return None
    counts = {split: _count(seen, split) for split in ("train", "validation", seen.given.evaluate.split)}
    if None in counts.values():
        return None
    some = rows.rows[:200]
    tokenizer, text = seen.tokenizer, seen.given.text
    prompts = [len(encode_prompt(tokenizer, render(tokenizer, row["document"], text))) for row in some]
    answers = [len(encode_completion(tokenizer, row["summary"])) for row in some]
    return Sizes(
        counts["train"] or 0,
        counts["validation"] or 0,
        counts[seen.given.evaluate.split] or 0,
        _pairs(seen, counts["train"] or 0),
        sum(prompts) / len(prompts),
        sum(answers) / len(answers),
    )


def of(target: Target, seen: Seen, size: Sizes) -> Work:
    """Of the stage with this target."""
    kind = {"sft": _sft, "sample": _sample, "references": _references, "reward": _reward, "member": _reward}
    kind |= {"align": _align, "evaluate": _evaluate, "feedback": _feedback, "collect": _collect}
    if target.stage in kind:
        return kind[target.stage](target, seen, size)
    texts = {"prepare": size.train + size.validation + size.held_out, "pairs": 2 * sum(size.pairs.values())}
    sampled = min(size.train, seen.given.sample.documents or size.train) * seen.given.sample.completions
    texts |= {"judge": sampled, "compare": size.held_out * _models(seen)}
    return Work(
        texts=texts.get(target.stage, 0), frozen=int(target.stage == "base"), kept=int(target.stage == "base")
    )


def rows_of(walk: Any) -> int:
    """Rows of one optimizer step."""
    return walk.batch_size * walk.gradient_accumulation


def _sft(target: Target, seen: Seen, size: Sizes) -> Work:
    source, row = seen.given.sft.source, size.prompt + size.summary
    scored = size.validation * row
    if source.kind != "train":
        return Work(score=scored, frozen=1, kept=1)
    batch = rows_of(source.optimisation) * row
    return Work(source.optimisation.steps * batch, scored, batch=batch, trained=1, kept=1)


def _sample(target: Target, seen: Seen, size: Sizes) -> Work:
    given = seen.given.sample
    documents = min(size.train, given.documents or size.train)
    return Work(0, documents * size.prompt, documents * given.completions * size.summary, frozen=1)


def _references(target: Target, seen: Seen, size: Sizes) -> Work:
    return Work(score=size.pairs["a"] * (size.prompt + 2 * size.summary), frozen=1)


def _reward(target: Target, seen: Seen, size: Sizes) -> Work:
    source, pair = seen.given.reward.source, size.prompt + 2 * size.summary
    fold = target.fold or "a"
    scored = (size.pairs[fold] + size.pairs[f"{fold}_holdout"]) * pair
    if source.kind != "train":
        return Work(score=scored, frozen=1, kept=1)
    batch = rows_of(source.optimisation) * pair
    return Work(source.optimisation.steps * batch, scored, batch=batch, trained=1, kept=1)


def _align(target: Target, seen: Seen, size: Sizes) -> Work:
    """By family; an own summary costs its draw, its reward and its reference besides."""
    entry: Any = seen.given.branches.entries()[str(target.branch)]
    walk, P, S = entry.optimisation, size.prompt, size.summary
    rows, steps, kept = rows_of(walk), walk.steps, 1 + seen.given.align.snapshots
    family, beside = target.family, int(walk.lora is None)
    if family in ("online", "critic"):
        K, epochs = entry.completions, getattr(entry, "epochs", 1)
        played, answered = rows * steps / epochs, rows * steps
        tokens = played / K * P + played * S
        batch = rows / K * P + rows * S
        trained = 2 if family == "critic" else 1
        score = (2 + 2 * (family == "critic")) * tokens
        return Work(trained * answered * (P / K + S), score, played * S, 0, batch, trained, 1 + beside, kept)
    if family == "distil":
        drawn = rows * steps * (1 + entry.anchor_samples)
        return Work(rows * steps * (P + 2 * S), 3 * drawn * (P / entry.anchor_samples + S), drawn * S, 0,
                    rows * (P + 2 * S), 1, 2, kept)  # fmt: skip
    if family in ("best", "taught"):
        return Work(rows * steps * (P + S), 0, 0, 0, rows * (P + S), 1, 0, kept)
    if family == "unpaired":
        return Work(rows * steps * (P + S), (rows * steps + 4 * size.pairs["a"]) * (P + S), 0, 0,
                    rows * (P + S), 1, 1, kept)  # fmt: skip
    own = size.pairs["a"] * (P + 2 * S) if family in ("feedback", "iterated") else 0
    return Work(rows * steps * (P + 2 * S), own, 0, 0, rows * (P + 2 * S), 1, int(own > 0), kept)


def _evaluate(target: Target, seen: Seen, size: Sizes) -> Work:
    """Greedy and sampled summaries, of the snapshots too; each scored by two models and two reward models."""
    given, snapshots = seen.given.evaluate, seen.given.align.snapshots
    own = size.held_out * (1 + given.samples)
    if target.model == "sft":
        own += size.held_out * given.best_of * (given.best_of > 1)
    else:
        own += snapshots * min(given.snapshot_prompts, size.held_out) * (1 + given.samples)
    return Work(0, own * 4 * (size.prompt + size.summary), own * size.summary, own, frozen=4)


def _feedback(target: Target, seen: Seen, size: Sizes) -> Work:
    given = seen.given.feedback
    answers = min(size.train, given.documents or size.train) * len(given.sources)
    return Work(0, answers * size.prompt, answers * size.summary, answers, frozen=2)


def _collect(target: Target, seen: Seen, size: Sizes) -> Work:
    given = seen.given.iterate
    answers = given.documents * given.candidates * len(seen.given.seeds)
    drawn = answers * (size.summary + given.judgements * given.judgement_tokens)
    return Work(0, answers * (1 + given.judgements) * size.prompt, drawn, frozen=1)


def _count(seen: Seen, split: str) -> int | None:
    rows = seen.splits.get(split)
    if rows is not None and rows.of is not None:
        return rows.of
    found = getattr(seen.given.prepare.source, split, None)
    return int(found) if isinstance(found, int) else None


def _pairs(seen: Seen, train: int) -> dict[str, int]:
    """Pairs by fold, at most one a document before they are made."""
    paths = {fold: Path(f"data/pairs/{fold}.parquet") for fold in ("a", "a_holdout", "b", "b_holdout")}
    if seen.current("pairs", *paths.values()):
        return {fold: pq.read_metadata(path).num_rows for fold, path in paths.items()}
    given = seen.given.pairs
    whole = min(train, seen.given.sample.documents or train)
    folds = {"a": whole * (1 - given.fold_b), "b": whole * given.fold_b}
    held = {f"{fold}_holdout": round(count * given.holdout) for fold, count in folds.items()}
    return {fold: round(count * (1 - given.holdout)) for fold, count in folds.items()} | held


def _models(seen: Seen) -> int:
    return 1 + len(seen.given.branches.entries()) * len(seen.given.seeds)
