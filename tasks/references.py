"""Stage references: log-probabilities of fold A's pairs under models/sft, once for every offline branch and seed."""

from __future__ import annotations

import pyarrow.parquet as pq

from tasks.engine import models
from tasks.engine.families import pairs
from tasks.engine.journal import Journal
from tasks.engine.references import References
from tasks.engine.scoring import Scorer
from tasks.settings import Compute


def run(compute: Compute, journal: Journal) -> dict[str, float | int | str]:
    """How many completions are known, their mean log-probability, and how the numbers were made."""
    weights = models.verified_manifest(models.SFT)["weights_sha256"]
    asked = pairs.groups(models.load_tokenizer(models.SFT), pq.read_table(pairs.TRAIN).to_pylist())
    scorer = Scorer(models.load_policy(models.SFT, compute), said=journal.say)
    made = References.compute(scorer, asked, weights, compute)
    made.save(pairs.REFERENCES)
    logps = made.per_token(asked)
    tokens = sum(map(len, logps))
    return {
        "rows": len(made),
        "tokens": tokens,
        "mean_logp_nats_per_token": round(sum(float(one.sum()) for one in logps) / max(1, tokens), 6),
        "weights_sha256": weights,
        "numerics": scorer.numerics,
    }
