"""How far a judge agrees with people, or with a judge who knows the facts, and whether it beats "prefer the longer".

A verdict on a pair is 1 (left), 0 (right) or 0.5 (tie). Pairs of one document are no independent draws, so documents
are resampled, all pairs of each together.

Legend of shapes: N pairs, D documents, B resamples, C columns of counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tasks.measures import resampling
from tasks.measures.comparison import Bootstrap

LABELS = (1.0, 0.5, 0.0)
COIN = 0.5
Statistic = tuple[
    np.ndarray, Callable[[np.ndarray], np.ndarray]
]  # counts_DC, and what their sums [B, C] come to


def measured(
    human_N: np.ndarray,
    judge_N: np.ndarray,
    longer_N: np.ndarray,
    document_N: np.ndarray,
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    """Agreement and Cohen's kappa with intervals, null where no pair allows it; judge_N is nan where it abstained.

    agreement, kappa: of the pairs on which both name a winner. agreement_with_ties, kappa_with_ties: of all that the
    judge read, a tie being a third verdict. longer: the agreement of "prefer the longer" (longer_N: its verdicts).
    above_longer: credit of the judge (1, half for a tie, 0) less credit of the longer, on pairs with a human winner.
    """
    read_N, decided_N = np.isfinite(judge_N), human_N != 0.5
    both_N, scored_N = read_N & decided_N & (judge_N != 0.5), read_N & decided_N
    sized_N = decided_N & (longer_N != 0.5)
    gain_N = np.abs(human_N - longer_N) - np.abs(human_N - np.where(read_N, judge_N, 0.5))
    documents = np.unique(document_N, return_inverse=True)[1]
    same_N = (human_N == judge_N).astype(float)
    found = {
        "agreement": _mean(same_N, both_N, documents),
        "agreement_with_ties": _mean(same_N, read_N, documents),
        "kappa": _agreed(human_N, judge_N, both_N, documents),
        "kappa_with_ties": _agreed(human_N, judge_N, read_N, documents),
        "longer": _mean((human_N == longer_N).astype(float), sized_N, documents),
        "above_longer": _mean(gain_N, scored_N, documents),
    }
    counts = {
        "pairs": len(human_N),
        "documents": int(documents.max()) + 1,
        "human_ties": int((~decided_N).sum()),
        "judge_ties": int((judge_N == 0.5).sum()),
        "abstained": int((~read_N).sum()),
    }
    return counts | dict(zip(found, _intervals(list(found.values()), bootstrap), strict=True))


def useful(found: Mapping[str, Any]) -> bool:
    """Whether the judge clearly knows more than lengths, and more than a coin: both intervals lie above that."""
    gain, agreed = found["above_longer"], found["agreement"]
    return bool(gain and agreed) and gain["low"] > 0 and agreed["low"] > COIN


def kappa(counts_B9: np.ndarray) -> np.ndarray:
    """Cohen's kappa (1960) of each 3 x 3 table of counts [B]; nan where chance alone would agree everywhere."""
    tables_B33 = counts_B9.reshape(-1, 3, 3)
    total_B = tables_B33.sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        observed_B = np.trace(tables_B33, axis1=1, axis2=2) / total_B
        chance_B = (tables_B33.sum(axis=1) * tables_B33.sum(axis=2)).sum(axis=1) / total_B**2
        return np.where(chance_B < 1, (observed_B - chance_B) / (1 - chance_B), np.nan)


def _agreed(human_N: np.ndarray, judge_N: np.ndarray, of_N: np.ndarray, documents: np.ndarray) -> Statistic:
    columns = [(human_N == ours) & (judge_N == theirs) & of_N for ours in LABELS for theirs in LABELS]
    return _counted(columns, documents), kappa


def _mean(values_N: np.ndarray, of_N: np.ndarray, documents: np.ndarray) -> Statistic:
    return _counted([np.where(of_N, values_N, 0.0), of_N], documents), _ratio


def _ratio(sums_B2: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums_B2[:, 0] / sums_B2[:, 1]


def _counted(columns: list[np.ndarray], documents: np.ndarray) -> np.ndarray:
    """Sums over each document's pairs [D, C]."""
    return np.stack([np.bincount(documents, weights=column.astype(float)) for column in columns], axis=1)


def _intervals(statistics: list[Statistic], bootstrap: Bootstrap) -> list[dict[str, float] | None]:
    """Each statistic with its BCa interval over documents, all under the same resamples."""
    prompts = len(statistics[0][0])
    drawn: list[list[np.ndarray]] = [[] for _ in statistics]
    for weights_DB in resampling.weights(prompts, bootstrap.resamples, bootstrap.seed):
        for some, (counts_DC, of) in zip(drawn, statistics, strict=True):
            some.append(of(weights_DB.T @ counts_DC))
    found = []
    for some, (counts_DC, of) in zip(drawn, statistics, strict=True):
        value = float(of(counts_DC.sum(axis=0, keepdims=True))[0])
        replicates_B, without_D = np.concatenate(some), of(counts_DC.sum(axis=0) - counts_DC)
        replicates_B, without_D = (each[np.isfinite(each)] for each in (replicates_B, without_D))
        if not np.isfinite(value) or not replicates_B.size or not without_D.size:
            found.append(None)
        else:
            found.append(resampling.bca(value, replicates_B, without_D, bootstrap.confidence)._asdict())
    return found
