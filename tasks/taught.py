"""Stage taught: what M1 of Self-Rewarding learns besides summaries, judgings of them with the judge's points (EFT).

Yuan et al. 2024, arXiv 2401.10020, section 2.1. Rows of a prompt and an answer: training documents with their summaries
(IFT), and judged samples of models/sft under the rubric, answered by the points that the judge of the block `judge`
gives. No hold-out's document and none of fold B's is among them: by those a judge is measured.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import PreTrainedTokenizerBase

from tasks import whole
from tasks.corpus import points
from tasks.engine import models, self_judge
from tasks.engine.text import encode_completion, encode_prompt, render
from tasks.refusal import Refusal
from tasks.sections.iterated import Iterate
from tasks.settings import Text

HELD = tuple(Path(f"data/pairs/{fold}.parquet") for fold in ("a_holdout", "b", "b_holdout"))
SCHEMA = pa.schema(
    [("id", pa.string()), ("prompt", pa.string()), ("completion", pa.string()), ("kind", pa.string())]
)
BANDS = 5  # of samples by a judge without parts, each one point more

Rows = list[dict[str, Any]]


def run(branch: str, iterate: Iterate, text: Text) -> dict[str, float | int | str]:
    """Counts of rows by kind, and the mean of the points."""
    tokenizer = models.load_tokenizer(models.SFT)
    documents = pq.read_table(
        "data/prepared/train.parquet", columns=["id", "document", "summary"]
    ).to_pylist()
    prompts = {row["id"]: render(tokenizer, row["document"], text) for row in documents}
    chance = np.random.default_rng([iterate.seed, 1])  # not the stream by which documents were sampled
    held = {row["prompt"] for path in HELD for row in pq.read_table(path, columns=["prompt"]).to_pylist()}
    summaries = [
        {"id": row["id"], "prompt": prompts[row["id"]], "completion": row["summary"], "kind": "summary"}
        for row in _drawn(_free(documents, prompts, held), iterate.taught.summaries, chance)
    ]
    given = {row["id"]: row["document"] for row in documents}
    samples = _drawn(_judged(prompts, held), iterate.taught.judgings, chance)
    judgings, mean = _judgings(samples, given, tokenizer, iterate)
    rows = [*summaries, *judgings]
    _require_room(branch, rows, tokenizer)
    out = Path(f"data/taught/{branch}.parquet")
    whole.table(out, pa.Table.from_pylist(rows, schema=SCHEMA))
    return {
        "data_sha256": models.file_sha256(out),
        "rows": len(rows),
        "rows_summary": len(summaries),
        "rows_judging": len(judgings),
        "mean_points": round(mean, 6),
        "teacher": samples[0]["judge"],
        "teacher_is_judge": True,
    }


def _free(rows: Rows, prompts: dict[str, str], held: set[str]) -> Rows:
    """Those of documents that no judge is measured by."""
    return [row for row in rows if prompts[row["id"]] not in held]


def _judged(prompts: dict[str, str], held: set[str]) -> Rows:
    """The samples that may be learned to judge, each different text of a document once."""
    samples = pq.read_table("data/judged.parquet").to_pylist()
    free = [row for row in _free(samples, prompts, held) if row["completion"]]
    found = {(row["id"], row["completion"]): row for row in reversed(free)}  # the first of equals
    if not found:
        place, cure = "data/judged.parquet", "raise sample.documents, or lower pairs.fold_b"
        raise Refusal(place, "every document with samples is held back to measure judges by", cure)
    return sorted(found.values(), key=lambda row: (row["id"], row["sample"]))


def _drawn(rows: Rows, count: int, chance: np.random.Generator) -> Rows:
    """So many, or all, in their order."""
    return [rows[place] for place in sorted(chance.permutation(len(rows))[:count])]


def _judgings(
    samples: Rows, documents: dict[str, str], tokenizer: PreTrainedTokenizerBase, iterate: Iterate
) -> tuple[Rows, float]:
    """One row a sample: the rubric around it, and its points written down; and the mean of the points."""
    rubric, language = points.rubric(iterate.language, iterate.rubric), iterate.language
    exact = samples[0]["judge"] == "exact"
    bands = np.quantile([row["score"] for row in samples], np.arange(1, BANDS + 1) / (BANDS + 1))
    rows, total = [], 0
    for row in samples:
        if exact:
            met = points.of_verdict(row)
            number, reply = sum(met), points.written(met, language, iterate.rubric)
        else:
            number = int(np.searchsorted(bands, row["score"], side="right"))
            reply = points.total(number, language)
        asked = self_judge.prompt(tokenizer, rubric, documents[row["id"]], row["completion"])
        rows.append({"id": row["id"], "prompt": asked, "completion": reply, "kind": "judging"})
        total += number
    return rows, total / len(rows)


def _require_room(branch: str, rows: Rows, tokenizer: PreTrainedTokenizerBase) -> None:
    """Nothing, or a Refusal where a row does not fit the model."""
    context = models.context_tokens(models.SFT)
    for row in rows:
        needed = len(encode_prompt(tokenizer, row["prompt"])) + len(
            encode_completion(tokenizer, row["completion"])
        )
        if needed > context:
            raise Refusal(
                f"data/taught/{branch}.parquet: {row['id']}",
                f"{row['kind']} needs {needed} tokens, models/sft has {context} positions",
                "set iterate.rubric: short, or lower prepare.max_document_characters",
            )
