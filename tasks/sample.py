"""Stage sample: K summaries of every training document from models/sft, at T = 1 and from the whole distribution."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks import whole
from tasks.engine import models
from tasks.engine.journal import Journal
from tasks.engine.sampling import sample as sample_from
from tasks.engine.sampling import seeded
from tasks.engine.scoring import Scorer
from tasks.engine.text import decode, encode_prompt, render
from tasks.sections.trunk import Sample
from tasks.settings import Compute, Text

OUT = "data/samples.parquet"


def run(sample: Sample, text: Text, compute: Compute, journal: Journal) -> dict[str, float | int | str]:
    """Counts of the samples: how many, the share that ended by itself, the share that is distinct."""
    models.verified_manifest(models.SFT)
    model, tokenizer = models.load_policy(models.SFT, compute), models.load_tokenizer(models.SFT)
    every = pq.read_table("data/prepared/train.parquet", columns=["id", "document"]).to_pylist()
    order = np.random.default_rng(sample.seed).permutation(len(every))[: sample.documents]
    rows = [every[place] for place in sorted(order)]
    scorer = Scorer(model, said=journal.say)
    answers = sample_from(
        scorer,
        [tuple(encode_prompt(tokenizer, render(tokenizer, row["document"], text))) for row in rows],
        completions=sample.completions,
        max_new_tokens=text.max_completion_tokens,
        batch_size=sample.batch_size,
        eos=tokenizer.eos_token_id,
        generators=seeded(sample.seed, range(len(rows))),
        said=lambda done, of: journal.step(done, of),
    )
    completions = [completion for some in answers for completion in some]
    table = pa.table(
        {
            "id": [row["id"] for row in rows for _ in range(sample.completions)],
            "sample": list(range(sample.completions)) * len(rows),
            "completion": [decode(tokenizer, completion.ids) for completion in completions],
            "ended": [completion.ended for completion in completions],
            "tokens": [len(completion.ids) for completion in completions],
        }
    )
    whole.table(Path(OUT), table)
    distinct = len(set(zip(table["id"].to_pylist(), table["completion"].to_pylist(), strict=True)))
    return {
        "rows": table.num_rows,
        "ended_share": round(sum(table["ended"].to_pylist()) / table.num_rows, 6),
        "distinct_share": round(distinct / table.num_rows, 6),
        "tokens": sum(len(completion.ids) for completion in completions),
        "numerics": scorer.numerics,
    }
