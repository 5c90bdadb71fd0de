"""Stage evaluate: one model's summaries of the same held-out prompts, greedy and sampled, under one set of measures."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from transformers import PreTrainedTokenizerBase

from tasks.engine import models, reward_model
from tasks.engine.generation import Completion
from tasks.engine.groups import Group, Ids
from tasks.engine.journal import Journal
from tasks.engine.reward_model import RewardModel
from tasks.engine.sampling import sample, seeded
from tasks.engine.scoring import Scorer, completion_logps
from tasks.engine.text import decode, encode_completion, encode_prompt, render
from tasks.measures import best_of, divergence, texts
from tasks.parameters import Compute, Evaluate, Judge
from tasks.refusal import Refusal
from tasks.settings import Text

OUT = Path("reports/evaluation")
REWARD = Path(
    "models/reward-b"
)  # no branch was trained on its pairs, so its score can show over-optimisation
RANKING = Path("models/reward-a")  # what the branches climb, and Best-of-N at decoding time, too

DECODINGS = ("greedy", "sampled")


class Loaded(NamedTuple):
    """The model that is evaluated, and the three that all evaluations share."""

    policy: Scorer
    reference: Scorer | None  # None where the model itself is models/sft
    reward: RewardModel
    tokenizer: PreTrainedTokenizerBase


def run(
    model: str, evaluate: Evaluate, judge: Judge, text: Text, compute: Compute, journal: Journal
) -> dict[str, float | int | str]:
    """Means over the split; rows and texts go to predictions.parquet, hashes and baselines to summary.json."""
    hashes = {
        "model_sha256": models.verified_manifest(Path(f"models/{model}"))["weights_sha256"],
        "reference_sha256": models.verified_manifest(models.SFT)["weights_sha256"],
        "reward_sha256": models.verified_manifest(REWARD)["weights_sha256"],
    }
    ranked_of = evaluate.best_of if model == "sft" and evaluate.best_of > 1 else 0
    if ranked_of:
        hashes["ranking_sha256"] = models.verified_manifest(RANKING)["weights_sha256"]
    documents = pq.read_table(f"data/prepared/{evaluate.split}.parquet").to_pylist()
    if not documents:
        raise Refusal(
            "params.yaml: evaluate.split",
            f"the split {evaluate.split} is empty",
            "choose the other, or give it rows",
        )
    loaded = _load(model, compute, journal)
    prompts = [
        tuple(encode_prompt(loaded.tokenizer, render(loaded.tokenizer, row["document"], text)))
        for row in documents
    ]
    hashes["prompts_sha256"] = hashlib.sha256(json.dumps(prompts).encode()).hexdigest()
    every = _answers(max(evaluate.samples, ranked_of), loaded, prompts, evaluate, text, journal)
    answers = {
        "greedy": [some[:1] for some in every],
        "sampled": [some[1 : 1 + evaluate.samples] for some in every],
    }
    found = _by_decoding(loaded, prompts, answers, compute)
    table = pa.concat_tables(
        [
            _measured(decoding, loaded, documents, prompts, some, found[decoding], judge, compute)
            for decoding, some in answers.items()
        ]
    )
    out = OUT / model
    out.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, out / "predictions.parquet")
    summary = {
        **hashes,
        "rows": len(documents),
        "split": evaluate.split,
        "judge": judge.kind,
        **_means(table),
    }
    if model == "sft":
        summary["baselines"] = texts.baselines(documents, judge.kind, evaluate.seed)
    if ranked_of:
        several = [some[1 : 1 + ranked_of] for some in every]
        ranked = _ranked(loaded, documents, prompts, several, judge, compute, journal)
        pq.write_table(ranked, out / "best_of.parquet")
        summary["best_of"] = _best_of(ranked, evaluate.best_of)
    (out / "summary.json").write_text(
        json.dumps(summary, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    means = {
        f"{decoding}_{name}": value for decoding in DECODINGS for name, value in summary[decoding].items()
    }
    return {**means, **hashes, "rows": len(documents), "numerics": loaded.policy.numerics}


def _load(model: str, compute: Compute, journal: Journal) -> Loaded:
    policy = Scorer(models.load_policy(f"models/{model}", compute), said=journal.say)
    reference = None if model == "sft" else Scorer(models.load_policy(models.SFT, compute), said=journal.say)
    reward = reward_model.load(REWARD, compute, journal.say)
    return Loaded(policy, reference, reward, models.load_tokenizer(models.SFT))


def _answers(
    samples: int, loaded: Loaded, prompts: list[Ids], evaluate: Evaluate, text: Text, journal: Journal
) -> list[list[Completion]]:
    """Each prompt's greedy completion and `samples` drawn ones, of one pass over it."""
    return sample(
        loaded.policy,
        prompts,
        completions=samples,
        max_new_tokens=text.max_completion_tokens,
        batch_size=evaluate.batch_size,
        eos=loaded.tokenizer.eos_token_id,
        generators=seeded(evaluate.seed, range(len(prompts))),
        greedy=True,
        scored=True,
        said=lambda done, of: journal.say(f"{done} of {of} summaries"),
    )


def _measured(
    decoding: str,
    loaded: Loaded,
    documents: list[dict[str, Any]],
    prompts: list[Ids],
    answers: list[list[Completion]],
    reward: list[float],
    judge: Judge,
    compute: Compute,
) -> pa.Table:
    """One row a document and sample, with every measure."""
    completions = [completion for some in answers for completion in some]
    predictions = [decode(loaded.tokenizer, completion.ids) for completion in completions]
    times = len(answers[0])
    known = [document for document in documents for _ in range(times)]
    return pa.table(
        {
            "id": [document["id"] for document in known],
            "decoding": [decoding] * len(known),
            "sample": list(range(times)) * len(documents),
            "prediction": predictions,
            "ended": [completion.ended for completion in completions],
            "tokens": [len(completion.ids) for completion in completions],
            **texts.judged(predictions, known, judge.kind),
            "reward": reward,
            **_divergence(loaded, prompts, answers, decoding, compute),
            **texts.seen(predictions, known),
        }
    )


def _ranked(
    loaded: Loaded,
    documents: list[dict[str, Any]],
    prompts: list[Ids],
    answers: list[list[Completion]],
    judge: Judge,
    compute: Compute,
    journal: Journal,
) -> pa.Table:
    """One row a document and sample: what fold A's reward model ranks it by, and what it is worth."""
    predictions = [decode(loaded.tokenizer, completion.ids) for some in answers for completion in some]
    known = [document for document, some in zip(documents, answers, strict=True) for _ in some]
    ranking = reward_model.load(RANKING, compute, journal.say)
    ranks, reward = (
        [score for some in _rewards(each, loaded, prompts, answers, compute) for score in some]
        for each in (ranking, loaded.reward)
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
    loaded: Loaded, prompts: list[Ids], answers: dict[str, list[list[Completion]]], compute: Compute
) -> dict[str, list[float]]:
    """Fold B's rewards, of one pass over each prompt."""
    every = [[*greedy, *sampled] for greedy, sampled in zip(*answers.values(), strict=True)]
    scores = _rewards(loaded.reward, loaded, prompts, every, compute)
    return {
        "greedy": [some[0] for some in scores],
        "sampled": [score for some in scores for score in some[1:]],
    }


def _rewards(
    judged: RewardModel,
    loaded: Loaded,
    prompts: list[Ids],
    answers: list[list[Completion]],
    compute: Compute,
) -> list[list[float]]:
    """A reward model's word on the text of each prompt's completions, less its mean and by its deviation."""
    asked = [
        Group(prompt, tuple(_closed(loaded.tokenizer, completion) for completion in some))
        for prompt, some in zip(prompts, answers, strict=True)
    ]
    scores = iter(judged.rewards(asked, compute.tokens_at_once))
    return [[next(scores) for _ in some] for some in answers]


def _closed(tokenizer: PreTrainedTokenizerBase, completion: Completion) -> Ids:
    """The ids of its text, as the reward model was trained on them; a cut-off one stays without EOS."""
    ids = completion.ids
    return tuple(encode_completion(tokenizer, decode(tokenizer, ids)) if completion.ended else ids)


def _divergence(
    loaded: Loaded, prompts: list[Ids], answers: list[list[Completion]], decoding: str, compute: Compute
) -> dict[str, pa.Array]:
    """Sequence KL to models/sft in nats, by k1 and k3, of the sampled summaries."""
    if decoding == "greedy":
        empty = pa.nulls(len(answers), pa.float64())
        return {"kl_k1": empty, "kl_k3": empty}
    groups = [
        Group(prompt, tuple(tuple(completion.ids) for completion in some))
        for prompt, some in zip(prompts, answers, strict=True)
    ]
    ours = [np.array(completion.logps) for some in answers for completion in some]
    theirs = ours
    if loaded.reference is not None:
        scored = completion_logps(loaded.reference, groups, compute.tokens_at_once)
        theirs = [logps.to(torch.float64).numpy() for logps in scored]
    ratios = [a - b for a, b in zip(ours, theirs, strict=True)]
    return {
        "kl_k1": pa.array([float(divergence.k1(ratio)) for ratio in ratios]),
        "kl_k3": pa.array([float(divergence.k3(ratio)) for ratio in ratios]),
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
