"""What is rated: two models' summaries of the evaluated split, or samples of the training split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from tasks.ledger.target import NAME
from tasks.measures.evaluations import PREPARED, SFT, Evaluation, documents, read
from tasks.people.questions import Question
from tasks.refusal import Refusal
from tasks.settings import Text

SAMPLES = Path("data/samples.parquet")
SHARED = ("split", "prompts_sha256", "reference_sha256")  # of two evaluations whose summaries may meet
HELD_OUT = ("validation", "test")

Render = Callable[[str], str]


class Subject(NamedTuple):
    """What is rated. render: a document's prompt, where the answers may become training pairs, else None."""

    name: str
    models: tuple[str, str]
    told: str
    questions: Sequence[Question]
    render: Render | None


def of_models(models: Sequence[str], decoding: str) -> Subject:
    """Two models' summaries of the evaluated split: a win rate and a rated set, and never a pair to train on."""
    bad = next((name for name in models if not NAME.fullmatch(name)), None)
    if len(models) != 2 or len(set(models)) < 2 or bad:
        cure = "name two, such as dpo-0 and rloo-0, or say --samples"
        raise Refusal("command line", f"{' '.join(models) or 'nothing'} is not two models", cure)
    left, right = sorted(models)
    first, second = read(left), read(right)
    unlike = [name for name in SHARED if first.summary.get(name) != second.summary.get(name)]
    if unlike or first.prompts(decoding) != second.prompts(decoding):
        cause = f"{left} and {right} were not evaluated on the same prompts ({', '.join(unlike) or 'id'})"
        raise Refusal("reports/evaluation", cause, "run evaluate again for both")
    ids, split = first.prompts(decoding), first.summary.get("split")
    rows, texts = documents(ids, split), [_first_texts(each, decoding) for each in (first, second)]
    questions = [Question(name, *rows[name], texts[0][name], texts[1][name]) for name in ids]
    ending = "" if decoding == "greedy" else f"-{decoding}"
    told = f"{decoding} summaries of the {split or 'evaluated'} split"
    return Subject(f"{left}-vs-{right}{ending}", (left, right), told, questions, None)


def of_samples(text: Text) -> Subject:
    """Two of models/sft's samples of each training document, for pairs to train on."""
    for path in (SAMPLES, PREPARED / "train.parquet"):
        if not path.is_file():
            raise Refusal(str(path), "the file is missing", "run `dvc repro sample`")
    rows = {row["id"]: row for row in _prepared("train")}
    held_out = {row["document"] for split in HELD_OUT for row in _prepared(split)}
    by_document: dict[str, dict[str, None]] = {}
    for row in pq.read_table(SAMPLES).to_pylist():
        if row["id"] not in rows:
            cause = f"{row['id']!r} is no document of the training split"
            raise Refusal(str(SAMPLES), cause, "run `dvc repro sample`")
        if row["ended"] and row["completion"] and rows[row["id"]]["document"] not in held_out:
            by_document.setdefault(row["id"], {})[row["completion"]] = None
    questions = []
    for name, texts in by_document.items():
        if len(texts) > 1:
            two = [list(texts)[place] for place in _two(name, len(texts))]
            questions.append(Question(name, rows[name]["document"], rows[name]["summary"], *two))
    if not questions:
        raise Refusal(
            str(SAMPLES), "holds no document with two different samples", "raise sample.completions"
        )
    told = f"samples of models/{SFT} of the train split"
    return Subject("samples", (SFT, SFT), told, questions, _render(text))


def _first_texts(evaluation: Evaluation, decoding: str) -> dict[str, str]:
    """The text of each prompt, the first where a prompt has several samples."""
    pairs = zip(evaluation.texts("id", decoding), evaluation.texts("prediction", decoding), strict=True)
    return dict(reversed(list(pairs)))


def _two(name: str, of: int) -> list[int]:
    """Two different places, drawn by the document's id alone, so that all raters see the same pair."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    return sorted(np.random.default_rng(seed).permutation(of)[:2].tolist())


def _prepared(split: str) -> list[dict[str, Any]]:
    path = PREPARED / f"{split}.parquet"
    return pq.read_table(path, columns=["id", "document", "summary"]).to_pylist() if path.is_file() else []


def _render(text: Text) -> Render:
    """The prompt of a document as models/sft sees it; loaded before anybody rates, so that a lack is told first."""
    from tasks.engine import models
    from tasks.engine.text import render

    tokenizer = models.load_tokenizer(models.SFT)
    return lambda document: render(tokenizer, document, text)
