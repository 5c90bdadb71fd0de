"""Stage evaluate: one model's summaries of the same held-out prompts, greedy and sampled, under one set of measures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks import whole
from tasks.engine import bertscore, models, terms, upper_line, waypoints
from tasks.engine.bertscore import Encoder
from tasks.engine.evaluator import Answers, Evaluator
from tasks.engine.groups import Ids
from tasks.engine.journal import Journal
from tasks.engine.reward_model import CLIMBED, HELD_BACK
from tasks.engine.text import encode_prompt, render
from tasks.engine.waypoints import Snapshot
from tasks.measures import texts
from tasks.measures.korean.signatures import signatures
from tasks.refusal import Refusal
from tasks.sections.compared import Bertscore, Evaluate
from tasks.sections.documents import Own
from tasks.sections.trunk import Judge
from tasks.settings import Compute, HubModel, Text

OUT = Path("reports/evaluation")
DECODINGS = ("greedy", "sampled")


class Asked(NamedTuple):
    """A model, every document with its prompt, and the model's answers: the greedy one, then the sampled ones."""

    evaluator: Evaluator
    documents: list[dict[str, Any]]
    prompts: list[Ids]
    answers: Answers

    @property
    def greedy(self) -> Answers:
        """One of each prompt."""
        return [some[:1] for some in self.answers]

    def sampled(self, count: int) -> Answers:
        """The first so many of each prompt."""
        return [some[1 : 1 + count] for some in self.answers]


def run(
    model: str, evaluate: Evaluate, judge: Judge, own: Own, text: Text, compute: Compute, journal: Journal
) -> dict[str, float | int | str]:
    """Means over the split; rows and texts go to predictions.parquet, hashes and baselines to summary.json."""
    is_sft, folder, out = model == models.SFT.name, Path(f"models/{model}"), OUT / model
    several = evaluate.best_of if is_sft and evaluate.best_of > 1 else 0
    hashes, on_the_way = _hashes(folder, bool(several)), waypoints.snapshots(model)
    documents = _documents(evaluate.split)
    encoder = _encoder(evaluate.bertscore, own, compute)
    evaluator = Evaluator.of(folder, compute, journal.say)
    asked = _asked(evaluator, documents, max(evaluate.samples, several), evaluate, text, journal)
    hashes["prompts_sha256"] = hashlib.sha256(json.dumps(asked.prompts).encode()).hexdigest()
    table = _table(asked, evaluate.samples, judge, encoder)
    whole.table(out / "predictions.parquet", table)
    summary = {
        **hashes,
        "contract": terms.of(evaluator, folder, documents, evaluate, judge, text),
        "rows": len(documents),
        "split": evaluate.split,
        "judge": judge.kind,
        "signatures": signatures() | ({"bertscore": encoder.signature} if encoder else {}),
        **_means(table),
    }
    if is_sft:
        summary["baselines"] = _baselines(documents, judge, evaluate.seed, encoder)
    if several:
        summary["best_of"] = _best_of(asked, several, judge, journal, out / "best_of.parquet")
    if is_sft or on_the_way:
        worth = judge.kind if "gold" in table.column_names else None
        summary["snapshots"] = _way(
            asked, on_the_way, evaluate, text, worth, journal, out / "snapshots.parquet"
        )
    whole.as_json(out / "summary.json", summary)
    means = {
        f"{decoding}_{name}": value for decoding in DECODINGS for name, value in summary[decoding].items()
    }
    return {**means, **hashes, "rows": len(documents), "numerics": summary["contract"]["numerics"]}


def _hashes(folder: Path, ranks: bool) -> dict[str, str]:
    """Of the weights that the scores follow from, the bytes of each verified; ranks: fold A's choose the best of n."""
    paths = {"model": folder, "reference": models.SFT, "reward": HELD_BACK, "climbed": CLIMBED}
    found = {
        f"{name}_sha256": models.verified_manifest(path)["weights_sha256"] for name, path in paths.items()
    }
    return found | ({"ranking_sha256": found["climbed_sha256"]} if ranks else {})


def _documents(split: str) -> list[dict[str, Any]]:
    documents = pq.read_table(f"data/prepared/{split}.parquet").to_pylist()
    if not documents:
        raise Refusal(
            "params.yaml: evaluate.split", f"the split {split} is empty", "choose the other, or give it rows"
        )
    return documents


def _asked(
    evaluator: Evaluator,
    documents: list[dict[str, Any]],
    samples: int,
    evaluate: Evaluate,
    text: Text,
    journal: Journal,
) -> Asked:
    """The answers of a greedy decoding and of `samples` drawn ones."""
    prompts = [
        tuple(encode_prompt(evaluator.tokenizer, render(evaluator.tokenizer, row["document"], text)))
        for row in documents
    ]
    answers = evaluator.answers(
        prompts,
        samples,
        text,
        greedy=True,
        seed=evaluate.seed,
        batch_size=evaluate.batch_size,
        said=journal.say,
    )
    return Asked(evaluator, documents, prompts, answers)


def _table(asked: Asked, samples: int, judge: Judge, encoder: Encoder | None) -> pa.Table:
    """The rows of every decoding, as `_measured` makes them."""
    answers = {"greedy": asked.greedy, "sampled": asked.sampled(samples)}
    rewards = _by_decoding(asked.evaluator, asked.prompts, answers)
    tables = [
        _measured(
            decoding, asked.evaluator, asked.documents, asked.prompts, some, rewards[decoding], judge, encoder
        )
        for decoding, some in answers.items()
    ]
    return pa.concat_tables(tables)


def _best_of(asked: Asked, most: int, judge: Judge, journal: Journal, path: Path) -> list[dict[str, float]]:
    """The means of the best of n by n; the rows of all samples go to `path`."""
    answers = asked.sampled(most)
    rows = upper_line.measured(
        asked.evaluator, asked.documents, asked.prompts, answers, judge.kind, journal.say
    )
    whole.table(path, rows)
    return upper_line.points(rows, most)


def _way(
    asked: Asked,
    on_the_way: Sequence[Snapshot],
    evaluate: Evaluate,
    text: Text,
    worth: str | None,
    journal: Journal,
    path: Path,
) -> list[dict[str, float | int]]:
    """The means of the snapshots and of the model itself on the first prompts; their rows go to `path`."""
    first = slice(evaluate.snapshot_prompts)
    few = waypoints.Few(asked.documents[first], asked.prompts[first], evaluate, text, worth)
    end = asked.sampled(evaluate.samples)[first]
    rows = waypoints.measured(asked.evaluator, on_the_way, few, end, journal.say)
    whole.table(path, rows)
    return waypoints.points(rows)


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
