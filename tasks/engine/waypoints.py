"""A branch on its way from models/sft: its snapshots and its end, measured on the same few prompts.

P prompts, K sampled completions of each, drawn by the same numbers as those of the whole evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from tasks.engine import models, reward_model
from tasks.engine.evaluator import Answers, Evaluator
from tasks.engine.groups import Ids
from tasks.engine.scoring import Scorer
from tasks.measures import texts
from tasks.refusal import Refusal
from tasks.sections.compared import Evaluate
from tasks.settings import Text


class Snapshot(NamedTuple):
    """A whole model on the way, its bytes verified."""

    folder: Path
    step: int
    of: int  # steps of the whole training


class Few(NamedTuple):
    """What all models are measured on: the first documents of the split, their prompts, and how."""

    documents: Sequence[dict[str, Any]]
    prompts: Sequence[Ids]
    evaluate: Evaluate
    text: Text
    judge: str | None  # None where the documents have no gold score: ROUGE-L stands in


def snapshots(model: str) -> list[Snapshot]:
    """Those of models/<model>, the earliest first; models/sft has none. A Refusal where a byte is not what it was."""
    if model == models.SFT.name:
        return []
    folder = models.snapshots_of(model)
    if not folder.is_dir():
        raise Refusal(str(folder), "there is no such folder", "run the stage align again for this model")
    found = []
    for path in folder.glob("step-*"):
        manifest = models.verified_manifest(path)
        found.append(Snapshot(path, manifest["step"], manifest["of"]))
    return sorted(found, key=lambda one: one.step)


def measured(
    evaluator: Evaluator, on_the_way: Sequence[Snapshot], few: Few, end: Answers, said: Callable[[str], None]
) -> pa.Table:
    """One row a document, step and sample: KL to models/sft, gold or ROUGE-L, fold B's reward and fold A's.

    end: the sampled answers of the evaluator's own model to the few prompts, which are the last step's, or step 0's
    of a model without snapshots. Where there are some, that model leaves the device, to make room for them.
    """
    of = on_the_way[0].of if on_the_way else 0
    steps, answers = [*(snapshot.step for snapshot in on_the_way), of], []
    for snapshot in on_the_way:
        evaluator.policy.model.to("cpu")
        said(f"snapshot of step {snapshot.step} of {of}")
        policy = Scorer(models.load_policy(snapshot.folder, evaluator.compute), said=said)
        evaluator = evaluator._replace(policy=policy)
        answers.append(
            evaluator.answers(
                few.prompts,
                few.evaluate.samples,
                few.text,
                greedy=False,
                seed=few.evaluate.seed,
                batch_size=few.evaluate.batch_size,
                said=said,
            )
        )
    # of every step together, so that the models that judge read each prompt once
    together = [[one for some in of_prompt for one in some] for of_prompt in zip(*answers, end, strict=True)]
    predictions, times = evaluator.texts(together), len(end[0])
    known = [document for document in few.documents for _ in together[0]]
    if few.judge is None:
        measure, worth = "rougeL", texts.overlap(predictions, known)
    else:
        measure, worth = "gold", texts.judged(predictions, known, few.judge)
    columns = {
        "id": [document["id"] for document in known],
        "step": [step for _ in few.documents for step in steps for _ in range(times)],
        "of": [of] * len(known),
        "sample": [*range(times)] * (len(known) // times),
        "prediction": predictions,
        **evaluator.divergences(few.prompts, together),
        measure: worth[measure],
        "reward": evaluator.rewards(few.prompts, together),
    }
    climbed = reward_model.load(reward_model.CLIMBED, evaluator.compute, said)
    columns["reward_climbed"] = evaluator.rewards(few.prompts, together, climbed)
    flat = ("reward", "reward_climbed")
    return pa.table(columns | {name: [one for some in columns[name] for one in some] for name in flat})


def points(rows: pa.Table) -> list[dict[str, float | int]]:
    """Means by step, rounded to 6 digits; kl in nats a sequence (k1), kl_se its standard error over prompts."""
    steps, of = rows["step"].to_numpy(), max(1, rows["of"][0].as_py())
    found = []
    for step in np.unique(steps):
        here = rows.filter(pa.array(steps == step))
        prompts = len(here["id"].unique())
        means_P = {
            name: here[name].cast(pa.float64()).to_numpy().reshape(prompts, -1).mean(axis=1)
            for name in here.column_names
            if name not in ("step", "of", "id", "sample", "prediction")
        }
        kl_P = means_P.pop("kl_k1")
        numbers = {"kl": kl_P.mean()}
        if prompts > 1:
            numbers["kl_se"] = kl_P.std(ddof=1) / np.sqrt(prompts)
        numbers |= {name: values_P.mean() for name, values_P in means_P.items()}
        found.append(
            {"step": int(step), "share_of_training": round(int(step) / of, 6), "prompts": prompts}
            | {name: round(float(number), 6) for name, number in numbers.items()}
        )
    return found
