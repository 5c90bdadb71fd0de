"""Several samples of models/sft for each prompt, ranked by fold A's reward model: what the best of n is worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from tasks.engine import reward_model
from tasks.engine.evaluator import Answers, Evaluator
from tasks.engine.groups import Ids
from tasks.engine.reward_model import CLIMBED
from tasks.measures import best_of, texts


def measured(
    evaluator: Evaluator,
    documents: Sequence[dict[str, Any]],
    prompts: Sequence[Ids],
    answers: Answers,
    judge: str,
    said: Callable[[str], None],
) -> pa.Table:
    """One row a document and sample: what fold A's reward model ranks it by, and what it is worth."""
    predictions = evaluator.texts(answers)
    known = [document for document, some in zip(documents, answers, strict=True) for _ in some]
    ranking = reward_model.load(CLIMBED, evaluator.compute, said)
    ranks, reward = (
        [score for some in evaluator.rewards(prompts, answers, each) for score in some]
        for each in (ranking, evaluator.reward)
    )
    gold = texts.judged(predictions, known, judge)
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


def points(rows: pa.Table, most: int) -> list[dict[str, float]]:
    """Means of the best of n by n, rounded to 6 digits; kl_bound, in nats a sequence, is an upper bound of its KL."""
    names = [name for name in rows.column_names if name not in ("id", "sample", "prediction")]
    values = {name: rows.column(name).to_numpy().reshape(-1, most) for name in names}
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
