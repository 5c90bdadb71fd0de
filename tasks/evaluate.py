"""Stage evaluate: one model's summaries of the same held-out prompts, greedy and sampled, under one set of measures."""

from __future__ import annotations

import hashlib
import json
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from transformers import PreTrainedTokenizerBase

from tasks.engine import models
from tasks.engine.generation import Completion
from tasks.engine.groups import Group, Ids
from tasks.engine.journal import Journal
from tasks.engine.sampling import sample, seeded
from tasks.engine.scoring import Scorer, completion_logps, rewards
from tasks.engine.text import decode, encode_completion, encode_prompt, render
from tasks.measures import divergence, rouge, surface
from tasks.measures.gold import judge_of, known_of
from tasks.parameters import Compute, Evaluate, Judge
from tasks.refusal import Refusal
from tasks.settings import Text

OUT = Path("reports/evaluation")
REWARD = Path(
    "models/reward-b"
)  # no branch was trained on its pairs, so its score can show over-optimisation

DECODINGS = ("greedy", "sampled")

Numbers = dict[str, list[Any]]


class Loaded(NamedTuple):
    """The model that is evaluated, and the three that all evaluations share."""

    policy: Scorer
    reference: Scorer
    reward: Scorer
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
    answers = {
        decoding: _answers(decoding, loaded, prompts, evaluate, text, journal) for decoding in DECODINGS
    }
    found = _rewards(loaded, prompts, answers, compute)
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
        summary["baselines"] = _baselines(documents, evaluate, judge)
    (out / "summary.json").write_text(
        json.dumps(summary, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    means = {
        f"{decoding}_{name}": value for decoding in DECODINGS for name, value in summary[decoding].items()
    }
    return {**means, **hashes, "rows": len(documents), "numerics": loaded.policy.numerics}


def _load(model: str, compute: Compute, journal: Journal) -> Loaded:
    policy, reference, reward = (
        Scorer(loaded, said=journal.say)
        for loaded in (
            models.load_policy(f"models/{model}", compute),
            models.load_policy(models.SFT, compute),
            models.load_reward(REWARD, compute),
        )
    )
    return Loaded(policy, reference, reward, models.load_tokenizer(models.SFT))


def _answers(
    decoding: str, loaded: Loaded, prompts: list[Ids], evaluate: Evaluate, text: Text, journal: Journal
) -> list[list[Completion]]:
    """Each prompt's completions."""
    greedy = decoding == "greedy"
    return sample(
        loaded.policy,
        prompts,
        completions=1 if greedy else evaluate.samples,
        max_new_tokens=text.max_completion_tokens,
        batch_size=evaluate.batch_size,
        eos=loaded.tokenizer.eos_token_id,
        generators=None if greedy else seeded(evaluate.seed, range(len(prompts))),
        said=lambda done, of: journal.say(f"{decoding}: {done} of {of} summaries"),
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
    groups = [
        Group(prompt, tuple(tuple(completion.ids) for completion in some))
        for prompt, some in zip(prompts, answers, strict=True)
    ]
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
            **_gold(predictions, known, judge),
            "reward": reward,
            **_divergence(loaded, groups, decoding, compute),
            **_surface(predictions, known),
        }
    )


def _gold(predictions: list[str], documents: list[dict[str, Any]], judge: Judge) -> Numbers:
    """The judge's verdict by part; without facts the exact judge is silent and the columns are absent."""
    known = [known_of(judge.kind, document) for document in documents]
    if any(told is None for told in known):
        return {}
    score = judge_of(judge.kind)
    verdicts = [score(prediction, told) for prediction, told in zip(predictions, known, strict=True) if told]
    parts = {
        f"gold_{name}": [verdict[name] for verdict in verdicts] for name in verdicts[0] if name != "total"
    }
    return {"gold": [verdict["total"] for verdict in verdicts], **parts}


def _rewards(
    loaded: Loaded, prompts: list[Ids], answers: dict[str, list[list[Completion]]], compute: Compute
) -> dict[str, list[float]]:
    """By decoding, of one pass over each prompt: fold B's reward of the text, less its mean and by its deviation."""
    scale = json.loads((REWARD / models.MANIFEST).read_text(encoding="utf-8"))
    every = [list(chain(*some)) for some in zip(*answers.values(), strict=True)]
    scored = [
        Group(prompt, tuple(_closed(loaded.tokenizer, completion) for completion in some))
        for prompt, some in zip(prompts, every, strict=True)
    ]
    scores = iter(rewards(loaded.reward, scored, compute.tokens_at_once))
    found: dict[str, list[float]] = {decoding: [] for decoding in answers}
    for place in range(len(prompts)):
        for decoding, some in answers.items():
            found[decoding] += [(next(scores) - scale["mean"]) / scale["deviation"] for _ in some[place]]
    return found


def _closed(tokenizer: PreTrainedTokenizerBase, completion: Completion) -> Ids:
    """The ids of its text, as the reward model was trained on them; a cut-off one stays without EOS."""
    ids = completion.ids
    return tuple(encode_completion(tokenizer, decode(tokenizer, ids)) if completion.ended else ids)


def _divergence(loaded: Loaded, groups: list[Group], decoding: str, compute: Compute) -> dict[str, pa.Array]:
    """Sequence KL to models/sft in nats, by k1 and k3, of the sampled summaries."""
    if decoding == "greedy":
        empty = pa.nulls(len(groups), pa.float64())
        return {"kl_k1": empty, "kl_k3": empty}
    ours, theirs = (
        completion_logps(scorer, groups, compute.tokens_at_once)
        for scorer in (loaded.policy, loaded.reference)
    )
    ratios = [(a.to(torch.float64) - b.to(torch.float64)).numpy() for a, b in zip(ours, theirs, strict=True)]
    return {
        "kl_k1": pa.array([float(divergence.k1(ratio)) for ratio in ratios]),
        "kl_k3": pa.array([float(divergence.k3(ratio)) for ratio in ratios]),
    }


def _surface(predictions: list[str], documents: list[dict[str, Any]]) -> Numbers:
    scores = rouge.scores(predictions, [document["summary"] for document in documents])
    both = list(zip(predictions, (document["document"] for document in documents), strict=True))
    return {
        **{name: values.tolist() for name, values in scores.items()},
        "characters": [surface.characters(prediction) for prediction in predictions],
        "compression": [surface.compression(prediction, document) for prediction, document in both],
        "repetition": [surface.repetition(prediction) for prediction in predictions],
        "invented_numbers": [surface.invented_numbers(prediction, document) for prediction, document in both],
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


def _baselines(
    documents: list[dict[str, Any]], evaluate: Evaluate, judge: Judge
) -> dict[str, dict[str, float]]:
    """ROUGE of lead-1, of the title and of another row's reference; gold of lead-1 and of the reference itself."""
    references = [row["summary"] for row in documents]
    found = rouge.baselines(
        [row["document"] for row in documents], references, [row["title"] for row in documents], evaluate.seed
    )
    for name, texts in (
        ("lead1", [rouge.lead(row["document"]) for row in documents]),
        ("reference", references),
    ):
        gold = _gold(texts, documents, judge).get("gold")
        if gold:
            found.setdefault(name, {})["gold"] = sum(gold) / len(gold)
    return {name: {key: round(value, 6) for key, value in scores.items()} for name, scores in found.items()}
