"""Stage feedback: several sources answer, a teacher scores each, and the best is paired with another of its prompt.

AI feedback as in Zephyr (Tunstall et al. 2023, arXiv 2310.16944, section 3.2), for an entry of branches.feedback.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import PreTrainedTokenizerBase

from tasks import whole
from tasks.corpus.feedback import SCHEMA, Scored, columns, draws, merged, preferred, told
from tasks.engine import models, teachers
from tasks.engine.journal import Journal
from tasks.engine.reward_model import CLIMBED
from tasks.engine.sources import Usable, answers
from tasks.engine.teachers import Asked, Scores
from tasks.engine.text import render
from tasks.ledger import graph, state
from tasks.ledger.target import Target
from tasks.measures.gold import known_of
from tasks.measures.verdicts import Verdicts
from tasks.refusal import Refusal
from tasks.sections.asked import EndpointTeacher, Feedback, RewardTeacher
from tasks.sections.documents import Own
from tasks.sections.trunk import Judge
from tasks.settings import Compute, Text

OUT = Path("data/feedback")
FOLD_B = (Path("data/pairs/b.parquet"), Path("data/pairs/b_holdout.parquet"))

Rows = list[dict[str, Any]]


def run(
    branch: str, feedback: Feedback, own: Own, judge: Judge, text: Text, compute: Compute, journal: Journal
) -> dict[str, float | int | str | bool]:
    """Counts of pairs and of what was dropped, and by source its mean score and the share of pairs that it won."""
    if feedback.teacher.kind == "judge":
        journal.say("the teacher is the judge of the evaluation: a branch learns from what will measure it")
    models.verified_manifest(models.SFT)
    tokenizer = models.load_tokenizer(models.SFT)
    documents, prompts = _documents(feedback, tokenizer, text)
    usable, lost, generated = answers(documents, feedback, Path(own.feedback), text, compute, journal)
    asked = [
        Asked(row, prompt, tuple(merged(some)))
        for row, prompt, some in zip(documents, prompts, usable, strict=True)
    ]
    scored = _scored(usable, _scores(branch, asked, feedback, judge, compute, journal))
    rows, unpaired = _pairs(asked, scored, feedback, judge)
    dropped = {**lost, **unpaired}
    if not rows:
        raise Refusal(
            f"data/feedback/{branch}.parquet",
            f"no pair is left of {len(asked)} documents (dropped: {dropped})",
            "give feedback.sources that differ, or another feedback.teacher",
        )
    whole.table(OUT / f"{branch}.parquet", pa.Table.from_pylist(rows, schema=SCHEMA))
    return {
        "data_sha256": models.file_sha256(OUT / f"{branch}.parquet"),
        "generated_tokens": generated,
        "reward_calls": sum(len(one.texts) for one in asked),
        **({"climbed_sha256": models.weights_hash(CLIMBED)} if feedback.teacher.kind == "reward" else {}),
        "rows": len(rows),
        "prompts": len(asked),
        "teacher": _name(feedback, judge),
        "teacher_is_judge": feedback.teacher.kind == "judge",
        "rejected": feedback.rejected,
        **{f"dropped_{reason}": count for reason, count in sorted(dropped.items())},
        **told(rows, [answer for some in scored for answer in some], feedback.sources),
    }


def _documents(feedback: Feedback, tokenizer: PreTrainedTokenizerBase, text: Text) -> tuple[Rows, list[str]]:
    """The training documents that are answered, in their order, and their prompts.

    None of fold B's is among them: its reward model has to score summaries that no branch was trained beside.
    """
    every = pq.read_table("data/prepared/train.parquet").to_pylist()
    prompts = [render(tokenizer, row["document"], text) for row in every]
    kept = {pair["prompt"] for part in FOLD_B for pair in pq.read_table(part, columns=["prompt"]).to_pylist()}
    free = [place for place, prompt in enumerate(prompts) if prompt not in kept]
    order = np.random.default_rng(feedback.seed).permutation(len(free))[: feedback.documents]
    taken = [free[number] for number in sorted(order)]
    return [every[place] for place in taken], [prompts[place] for place in taken]


def _scores(
    branch: str, asked: Sequence[Asked], feedback: Feedback, judge: Judge, compute: Compute, journal: Journal
) -> Scores:
    """What the teacher gives to each answer."""
    record = OUT / f"{branch}.verdicts.jsonl"
    verdicts = _verdicts(branch, record)
    if isinstance(feedback.teacher, EndpointTeacher):
        return teachers.by_endpoint(asked, feedback.teacher, verdicts, record, journal)
    verdicts.export(record, [])
    if isinstance(feedback.teacher, RewardTeacher):
        return teachers.by_reward(asked, compute, journal)
    return teachers.by_judge(asked, judge)


def _verdicts(branch: str, record: Path) -> Verdicts:
    """This machine's log, which a failed run and another worktree fill too, with what dvc.lock's run was told."""
    former = graph.former(Target("feedback", "feedback", branch), record)
    return Verdicts(state.root() / "verdicts.jsonl", [former] if former else [])


def _scored(usable: Usable, scores: Scores) -> list[list[Scored]]:
    """The different answers of each document with their sources and scores."""
    return [
        [
            Scored(text, sources, number)
            for (text, sources), number in zip(merged(some).items(), numbers, strict=True)
        ]
        for some, numbers in zip(usable, scores, strict=True)
    ]


def _pairs(
    asked: Sequence[Asked], scored: Sequence[Sequence[Scored]], feedback: Feedback, judge: Judge
) -> tuple[Rows, dict[str, int]]:
    """At most one row a prompt, and the counts of verdicts that cannot be read and of documents without a pair."""
    rows, dropped = [], {"unparsable": 0, "documents_tied": 0, "documents_without_two": 0}
    for one, some in zip(asked, scored, strict=True):
        name, read = str(one.row["id"]), sum(answer.score is not None for answer in some)
        dropped["unparsable"] += len(some) - read
        found = preferred(some, feedback.rejected, draws(feedback.seed, name))
        if found is None:
            dropped["documents_tied" if read > 1 else "documents_without_two"] += 1
            continue
        gold = known_of(judge.kind, one.row) if feedback.teacher.kind == "judge" else None
        whose = {"id": name, "prompt": one.prompt, "gold": gold, "judge": _name(feedback, judge)}
        rows.append({**whose, **columns(*found)})
    return rows, dropped


def _name(feedback: Feedback, judge: Judge) -> str:
    """The teacher's, for the record: the judge's kind, reward, or the model behind the endpoint."""
    if isinstance(feedback.teacher, EndpointTeacher):
        return feedback.teacher.model
    return judge.kind if feedback.teacher.kind == "judge" else feedback.teacher.kind
