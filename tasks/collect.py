"""Stage collect: what a round of iterated training learns, of M_t's own answers to new documents, for every seed.

Self-Rewarding Language Models (Yuan et al. 2024, arXiv 2401.10020, sections 2.2 and 2.3): M_t answers each document
several times and judges its answers, chosen is the best and rejected the worst. Before it judges, it is measured on
labelled pairs that nothing was trained on. With `judge: reward` fold A's reward model judges: iterated DPO.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import PreTrainedTokenizerBase

from tasks import methods, whole
from tasks.corpus import pairs
from tasks.corpus.candidates import MODEL, POSITIVES, ROUND, Asked, Candidate, paired, positives
from tasks.engine import models, new_documents, reward_model, self_judge
from tasks.engine.journal import Journal
from tasks.engine.reward_model import CLIMBED
from tasks.engine.round_draws import drawn
from tasks.engine.scoring import Scorer
from tasks.engine.self_judge import Accuracy, Judged
from tasks.engine.text import decode, render
from tasks.refusal import Refusal
from tasks.sections.documents import Own, Prepare
from tasks.sections.iterated import Iterate
from tasks.settings import Compute, Text

OUT, TOLD = Path("data/iterated"), Path("reports/iterated")
LABELLED = tuple(Path(f"data/pairs/{fold}.parquet") for fold in ("a_holdout", "b_holdout"))
ANSWERS, JUDGINGS, MEASURED = range(3)  # what a seed is drawn for

Rows = list[dict[str, Any]]


class Round(NamedTuple):
    """M_t, of one seed, and which round it goes into."""

    folder: Path
    number: int
    seed: int
    sha256: str

    def seed_for(self, purpose: int, iterate: Iterate) -> int:
        """Of its own generator."""
        given = [iterate.seed, self.seed, self.number, purpose]
        return int(np.random.SeedSequence(given).generate_state(1)[0]) % 2**31


class Answers(NamedTuple):
    """A round's documents, their rendered prompts, the different usable answers to each, and what was lost."""

    documents: list[new_documents.Document]
    prompts: list[str]
    texts: list[list[str]]
    lost: dict[str, int]
    tokens: int


def run(
    branch: str,
    entry: Any,
    seeds: list[int],
    iterate: Iterate,
    prepare: Prepare,
    own: Own,
    text: Text,
    compute: Compute,
    journal: Journal,
) -> dict[str, float | int | str]:
    """By seed the hash of its rows, how many they are, and who judged; reports/iterated/<branch>.json tells more."""
    every = [_round(entry.after, seed) for seed in seeds]
    documents = new_documents.documents(iterate, prepare, own, every[0].number, compute, journal)
    told, flat = {}, {}
    (OUT / branch).mkdir(parents=True, exist_ok=True)
    for one in every:
        found = _collected(one, branch, entry, documents, iterate, text, compute, journal)
        told[str(one.seed)] = found
        flat |= {f"{name}_{one.seed}": found[name] for name in ("data_sha256", "rows", "judge")}
    means = {
        name: round(np.mean([each[name] for each in told.values()]))
        for name in ("generated_tokens", "reward_calls")
    }
    shared = {
        "after": entry.after,
        "round": every[0].number,
        "asked": entry.judge,
        "documents": len(documents),
    }
    report = {"branch": branch, **shared, "bar": iterate.bar, "seeds": told}
    whole.as_json(TOLD / f"{branch}.json", report)
    climbed = any(each["judge"] == "reward" for each in told.values())
    return {
        **shared,
        **flat,
        **means,
        **({"climbed_sha256": models.weights_hash(CLIMBED), "reward": "model"} if climbed else {}),
    }


def _round(after: str, seed: int) -> Round:
    """M_t by its receipt, or a Refusal where the folder holds another model."""
    folder = models.SFT if after == models.SFT.name else Path(f"models/{after}-{seed}")
    sha256 = str(models.verified_manifest(folder)["weights_sha256"])
    if folder == models.SFT:
        return Round(folder, 1, seed, sha256)
    path = Path(f"models/{after}/{seed}.json")
    receipt = json.loads(path.read_text(encoding="utf-8"))
    if receipt["weights_sha256"] != sha256:
        raise Refusal(
            str(folder), f"is not the model that {path} names", "run `dvc repro`, or `dvc checkout`"
        )
    return Round(folder, receipt["round"] + 1, seed, sha256)


def _collected(
    one: Round,
    branch: str,
    entry: Any,
    documents: list[new_documents.Document],
    iterate: Iterate,
    text: Text,
    compute: Compute,
    journal: Journal,
) -> dict[str, Any]:
    """What is told of one seed, whose rows are written."""
    tokenizer = models.load_tokenizer(one.folder)
    scorer = Scorer(models.load_policy(one.folder, compute), said=journal.say)
    judge, measured = entry.judge, None
    if judge == "self":
        measured = _measured(scorer, tokenizer, one, iterate, text)
        judge = _judge_of(one, measured, entry, iterate, journal)
    answers = _answered(scorer, tokenizer, one, documents, iterate, text, journal)
    if judge == "self":
        judged = _self_judged(scorer, tokenizer, one, answers, iterate)
    elif judge == "reward":
        judged = _rewarded(answers, compute, journal)
    else:
        judged = Judged([None] * sum(map(len, answers.texts)), 0, 0, 0)
    scores = iter(judged.scores)
    asked = [
        Asked(document.id, prompt, [Candidate(each, next(scores)) for each in some])
        for document, prompt, some in zip(answers.documents, answers.prompts, answers.texts, strict=True)
    ]
    path = OUT / branch / f"{one.seed}.parquet"
    if methods.load(entry.method).FAMILY == "taught":
        rows, dropped = positives(asked, iterate.positive)
        numbers, schema = _lengths(rows), POSITIVES
    else:
        rows, dropped = paired(asked, judge, iterate.max_length_gap)
        numbers, schema = pairs.told(rows), pairs.SCHEMA
    metadata = {MODEL: one.sha256, ROUND: str(one.number)}
    whole.table(path, pa.Table.from_pylist(rows, schema=schema.with_metadata(metadata)))
    if not rows:
        journal.say(
            f"{branch}-{one.seed}: no row is left ({dict(dropped)}); the training will change nothing"
        )
    return {
        "model_sha256": one.sha256,
        "data_sha256": models.file_sha256(path),
        "rows": len(rows),
        "judge": judge,
        "accuracy": measured.told() if measured else None,
        "dropped": {**answers.lost, **dropped},
        "answers": sum(map(len, answers.texts)),
        "mean_characters": round(_mean([len(each) for some in answers.texts for each in some]), 6),
        "unreadable": judged.unreadable,
        "readable": judged.readable,
        "histogram": judged.histogram() if judge == "self" else {},
        "mean_score": round(_mean([score for score in judged.scores if score is not None]), 6),
        "generated_tokens": answers.tokens + judged.tokens,
        "reward_calls": sum(map(len, answers.texts)) if judge == "reward" else 0,
        "told": numbers,
    }


def _measured(
    scorer: Scorer, tokenizer: PreTrainedTokenizerBase, one: Round, iterate: Iterate, text: Text
) -> Accuracy:
    """How often M_t orders the labelled pairs of both hold-outs rightly, judging as it will judge its own answers.

    The user's own pairs name no document; their prompts stand for it.
    """
    documents = pq.read_table("data/prepared/train.parquet", columns=["document"])["document"].to_pylist()
    given = {render(tokenizer, document, text): document for document in documents}
    rows = [row for path in LABELLED for row in pq.read_table(path).to_pylist()]
    texts = [
        (given.get(row["prompt"], row["prompt"]), row[side])
        for side in ("chosen", "rejected")
        for row in rows
    ]
    found = self_judge.judged(scorer, tokenizer, texts, iterate, one.seed_for(MEASURED, iterate))
    return self_judge.accuracy(found.scores[: len(rows)], found.scores[len(rows) :])


def _judge_of(one: Round, measured: Accuracy, entry: Any, iterate: Iterate, journal: Journal) -> str:
    """Who judges: M_t, or below the bar the reward model, where params.yaml declares that; else a Refusal.

    Nobody for a method that learns scores of 0 to 5, which the reward model does not give.
    """
    told = f"orders {measured.accuracy:.1%} of {measured.pairs} labelled pairs rightly"
    if measured.accuracy > iterate.bar:
        journal.say(f"{one.folder} {told}")
        return "self"
    if iterate.below_bar == "reward" and methods.load(entry.method).FAMILY == "taught":
        journal.say(
            f"warning: {one.folder} {told}, not more than {iterate.bar:.1%}: nobody judges in its place"
        )
        return "nobody"
    if iterate.below_bar == "reward":
        journal.say(f"warning: {one.folder} {told}, not more than {iterate.bar:.1%}: the reward model judges")
        return "reward"
    raise Refusal(
        str(one.folder),
        f"is no judge: it {told}, the bar is more than {iterate.bar:.1%}",
        "teach it more (iterate.taught), or set iterate.below_bar: reward, or the entry's judge: reward",
    )


def _answered(
    scorer: Scorer,
    tokenizer: PreTrainedTokenizerBase,
    one: Round,
    documents: list[new_documents.Document],
    iterate: Iterate,
    text: Text,
    journal: Journal,
) -> Answers:
    """M_t's answers; one that was cut off or says nothing is lost, and one text twice is one answer."""
    prompts = [render(tokenizer, each.text, text) for each in documents]
    found = drawn(
        scorer,
        tokenizer,
        prompts,
        iterate.candidates,
        text.max_completion_tokens,
        iterate,
        one.seed_for(ANSWERS, iterate),
        "a round's document and its summary",
        said=lambda done, of: journal.say(f"{one.folder}: {done} of {of} answers"),
    )
    texts = [[decode(tokenizer, each.ids) for each in some if each.ended] for some in found]
    every = sum(map(len, found))
    ended = sum(map(len, texts))
    usable = [list(dict.fromkeys(each for each in some if each)) for some in texts]
    empty = sum(not each for some in texts for each in some)
    lost = {"cut_off": every - ended, "empty": empty, "twice": ended - empty - sum(map(len, usable))}
    return Answers(documents, prompts, usable, lost, sum(len(each.ids) for some in found for each in some))


def _self_judged(
    scorer: Scorer, tokenizer: PreTrainedTokenizerBase, one: Round, answers: Answers, iterate: Iterate
) -> Judged:
    texts = [
        (document.text, each)
        for document, some in zip(answers.documents, answers.texts, strict=True)
        for each in some
    ]
    return self_judge.judged(scorer, tokenizer, texts, iterate, one.seed_for(JUDGINGS, iterate))


def _rewarded(answers: Answers, compute: Compute, journal: Journal) -> Judged:
    """Fold A's reward of every answer."""
    some = [(prompt, texts) for prompt, texts in zip(answers.prompts, answers.texts, strict=True) if texts]
    scores = [score for each in reward_model.scores(some, compute, journal.say) for score in each]
    return Judged(list(scores), len(scores), 0, 0)


def _lengths(rows: Rows) -> dict[str, float]:
    return {"mean_characters_positive": round(_mean([len(row["completion"]) for row in rows]), 6)}


def _mean(numbers: list[Any]) -> float:
    return float(np.mean(numbers)) if numbers else 0.0
