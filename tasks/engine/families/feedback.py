"""The feedback family: methods of pairs, trained on what a teacher preferred of several sources' answers.

The stage `references` knows fold A's pairs alone, so the reference's log-probabilities are computed for each training.
"""

from __future__ import annotations

from functools import partial

from tasks.engine.families import pairs
from tasks.engine.models import SFT

START = SFT
TRAIN = "data/feedback/{branch}.parquet"
trainer = partial(pairs.trainer, refer=pairs.with_own_reference)
told = pairs.told
