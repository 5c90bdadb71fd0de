"""Stage evaluate: one model's summaries of the same held-out prompts, greedy and sampled, under one set of measures."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.engine import bertscore, models, reward_model, terms, waypoints
from tasks.engine.bertscore import Encoder
from tasks.engine.evaluator import Answers, Evaluator
from tasks.engine.groups import Ids
from tasks.engine.journal import Journal
from tasks.engine.reward_model import CLIMBED, HELD_BACK
from tasks.engine.text import encode_prompt, render
from tasks.measures import best_of, texts
from tasks.measures.korean.signatures import signatures
from tasks.parameters import Bertscore, Compute, Evaluate, Judge, Own
from tasks.refusal import Refusal
from tasks.settings import HubModel, Text

OUT = Path("reports/evaluation")
DECODINGS = ("greedy", "sampled")


def run(
    model: str, evaluate: Evaluate, judge: Judge, own: Own, text: Text, compute: Compute, journal: Journal
) -> dict[str, float | int | str]:
    """Means over the split; rows and texts go to predictions.parquet, hashes and baselines to summary.json."""
    hashes = {
        "model_sha256": models.verified_manifest(Path(f"models/{model}"))["weights_sha256"],
        "reference_sha256": models.verified_manifest(models.SFT)["weights_sha256"],
        "reward_sha256": models.verified_manifest(HELD_BACK)["weights_sha256"],
        "climbed_sha256": models.verified_manifest(CLIMBED)["weights_sha256"],
    }
    on_the_way = waypoints.snapshots(model)
    ranked_of = evaluate.best_of if model == "sft" and evaluate.best_of > 1 else 0
    if ranked_of:
        hashes["ranking_sha256"] = hashes["climbed_sha256"]
    documents = pq.read_table(f"data/prepared/{evaluate.split}.parquet").to_pylist()
    if not documents:
        raise Refusal(
            "params.yaml: evaluate.split",
            f"the split {evaluate.split} is empty",
            "choose the other, or give it rows",
        )
    encoder = _encoder(evaluate.bertscore, own, compute)
    evaluator = Evaluator.of(Path(f"models/{model}"), compute, journal.say)
    prompts = [
        tuple(encode_prompt(evaluator.tokenizer, render(evaluator.tokenizer, row["document"], text)))
        for row in documents
    ]
    hashes["prompts_sha256"] = hashlib.sha256(json.dumps(prompts).encode()).hexdigest()
    every = evaluator.answers(
        prompts,
        max(evaluate.samples, ranked_of),
        text,
        greedy=True,
        seed=evaluate.seed,
        batch_size=evaluate.batch_size,
        said=journal.say,
    )
    answers = {
        "greedy": [some[:1] for some in every],
        "sampled": [some[1 : 1 + evaluate.samples] for some in every],
    }
    rewards = _by_decoding(evaluator, prompts, answers)
    table = pa.concat_tables(
        [
            _measured(decoding, evaluator, documents, prompts, some, rewards[decoding], judge, encoder)
            for decoding, some in answers.items()
        ]
    )
    out = OUT / model
    out.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, out / "predictions.parquet")
    summary = {
        **hashes,
        "contract": terms.of(evaluator, Path(f"models/{model}"), documents, evaluate, judge, text),
        "rows": len(documents),
        "split": evaluate.split,
        "judge": judge.kind,
        "signatures": signatures() | ({"bertscore": encoder.signature} if encoder else {}),
        **_means(table),
    }
    if model == "sft":
        summary["baselines"] = _baselines(documents, judge, evaluate.seed, encoder)
    if ranked_of:
        several = [some[1 : 1 + ranked_of] for some in every]
        ranked = _ranked(evaluator, documents, prompts, several, judge, journal)
        pq.write_table(ranked, out / "best_of.parquet")
        summary["best_of"] = _best_of(ranked, evaluate.best_of)
    numerics = evaluator.policy.numerics
    if on_the_way or model == models.SFT.name:
        first, gold = slice(evaluate.snapshot_prompts), "gold" in table.column_names
        few = waypoints.Few(documents[first], prompts[first], evaluate, text, judge.kind if gold else None)
        way = waypoints.measured(evaluator, on_the_way, few, answers["sampled"][first], journal.say)
        pq.write_table(way, out / "snapshots.parquet")
        summary["snapshots"] = waypoints.points(way)
    (out / "summary.json").write_text(
        json.dumps(summary, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    means = {
        f"{decoding}_{name}": value for decoding in DECODINGS for name, value in summary[decoding].items()
    }
    return {**means, **hashes, "rows": len(documents), "numerics": numerics}


def _measured(
    decoding: str,
    evaluator: Evaluator,
    documents: list[dict[str, Any]],
    prompts: list[Ids],
    answers: Answers,
    rewards: list[float],
    judge: Judge,
    encoder: Encoder | None,
) -> pa.Table:
    """One row a document and sample, with every measure; the log-ratio of a greedy text estimates no KL."""
    completions = [completion for some in answers for completion in some]
    predictions, times = evaluator.texts(answers), len(answers[0])
    known = [document for document in documents for _ in range(times)]
    nothing = pa.nulls(len(known), pa.float64())
    kl = {"kl_k1": nothing, "kl_k3": nothing}
    return pa.table(
        {
            "id": [document["id"] for document in known],
            "decoding": [decoding] * len(known),
            "sample": list(range(times)) * len(documents),
            "prediction": predictions,
            "ended": [completion.ended for completion in completions],
            "tokens": [len(completion.ids) for completion in completions],
            **texts.judged(predictions, known, judge.kind),
            "reward": rewards,
            **(kl if decoding == "greedy" else evaluator.divergences(prompts, answers)),
            **texts.seen(predictions, known),
            **_bertscore(encoder, predictions, known),
        }
    )


def _encoder(asked: Bertscore | None, own: Own, compute: Compute) -> Encoder | None:
    """The encoder of BERTScore, where params.yaml names one."""
    if asked is None:
        return None
    source = asked.source if isinstance(asked.source, HubModel) else Path(own.encoder)
    return bertscore.load(source, asked.layer, compute)


def _bertscore(
    encoder: Encoder | None, predictions: list[str], documents: list[dict[str, Any]]
) -> dict[str, list[float]]:
    if encoder is None:
        return {}
    return {"bertscore": bertscore.f1(encoder, predictions, [row["summary"] for row in documents])}


def _baselines(
    documents: list[dict[str, Any]], judge: Judge, seed: int, encoder: Encoder | None
) -> dict[str, dict[str, float]]:
    """Every measure of a text, of what needs no model."""
    found = texts.baselines(documents, judge.kind, seed)
    for name, baseline in texts.needing_no_model(documents, seed).items() if encoder else ():
        scores = _bertscore(encoder, baseline.texts, list(baseline.documents))["bertscore"]
        found[name]["bertscore"] = round(sum(scores) / len(scores), 6)
    return found


def _ranked(
    evaluator: Evaluator,
    documents: list[dict[str, Any]],
    prompts: list[Ids],
    answers: Answers,
    judge: Judge,
    journal: Journal,
) -> pa.Table:
    """One row a document and sample: what fold A's reward model ranks it by, and what it is worth."""
    predictions = evaluator.texts(answers)
    known = [document for document, some in zip(documents, answers, strict=True) for _ in some]
    ranking = reward_model.load(CLIMBED, evaluator.compute, journal.say)
    ranks, reward = (
        [score for some in evaluator.rewards(prompts, answers, each) for score in some]
        for each in (ranking, evaluator.reward)
    )
    gold = texts.judged(predictions, known, judge.kind)
    return pa.table(
        {
            "id": [document["id"] for document in known],
            "sample": [place for some in answers for place in range(len(some))],
            "prediction": predictions,
            "ranking": ranks,
            **{name: values for name, values in gold.items() if name == "gold"},
            "reward": reward,
            **({} if gold else {"rougeL": texts.overlap(predictions, known)["rougeL"]}),
        }
    )


def _best_of(ranked: pa.Table, most: int) -> list[dict[str, float]]:
    """Means of the best of n by n, rounded to 6 digits; kl_bound, in nats a sequence, is an upper bound of its KL."""
    names = [name for name in ranked.column_names if name not in ("id", "sample", "prediction")]
    values = {name: ranked.column(name).to_numpy().reshape(-1, most) for name in names}
    return [
        {
            "n": n,
            "kl_bound": round(best_of.kl_bound(n), 6),
            **{
                name: round(float(best_of.expected(values["ranking"], each, n).mean()), 6)
                for name, each in values.items()
            },
        }
        for n in best_of.sizes(most)
    ]


def _by_decoding(
    evaluator: Evaluator, prompts: list[Ids], answers: dict[str, Answers]
) -> dict[str, list[float]]:
    """Fold B's rewards, of one pass over each prompt."""
    every = [[*greedy, *sampled] for greedy, sampled in zip(*answers.values(), strict=True)]
    scores = evaluator.rewards(prompts, every)
    return {
        "greedy": [some[0] for some in scores],
        "sampled": [score for some in scores for score in some[1:]],
    }


def _means(table: pa.Table) -> dict[str, dict[str, float]]:
    """Mean of every measure by decoding, rounded to 6 digits."""
    decodings = np.array(table.column("decoding").to_pylist())
    found: dict[str, dict[str, float]] = {decoding: {} for decoding in DECODINGS}
    for name in table.column_names:
        if name in ("id", "decoding", "sample", "prediction"):
            continue
        values = table.column(name).cast(pa.float64()).to_numpy()
        for decoding, means in found.items():
            chosen = values[decodings == decoding]
            if not np.isnan(chosen).any():
                means[name] = round(float(chosen.mean()), 6)
    return found
