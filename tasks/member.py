"""Stage member: one of the reward models that vote on the strength of fold A's pairs, and its votes.

Trained as the block `reward` says, from a seed of its own. Of each there are two: on the labels as they were given, and
with some of them turned on purpose, from which the stage `strength` learns whether turned labels are found at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks import whole
from tasks.engine import models
from tasks.engine.families.pairs import groups
from tasks.engine.journal import Journal
from tasks.engine.reward_training import train
from tasks.engine.scoring import Scorer, rewards
from tasks.measures.cures import flip
from tasks.measures.strength import folds, planted
from tasks.refusal import Refusal
from tasks.sections.strength import Kfold, Strength
from tasks.sections.trunk import Reward, TrainedReward
from tasks.settings import Compute

PAIRS = Path("data/pairs/a.parquet")
SCHEMA = pa.schema([("place", pa.int64()), ("difference", pa.float64())])  # place among fold A's pairs


def run(
    by: str,
    seed: int,
    labels: str,
    strength: Strength,
    reward: Reward,
    compute: Compute,
    journal: Journal,
    scratch: Path,
) -> dict[str, float | int | str]:
    """Pairs that it was trained on and votes on, and the share of votes for the side that its labels call chosen."""
    if not isinstance(reward.source, TrainedReward):
        cure = "set reward.source.kind: train, or leave strength.votes empty"
        raise Refusal(
            "params.yaml: reward.source", "a ready reward model has no members that could vote", cure
        )
    models.verified_manifest(models.SFT)
    pairs = pq.read_table(PAIRS).to_pylist()
    if labels == "planted":
        turned = planted(len(pairs), strength.planted, strength.seed)
        pairs = [flip(pair) if other else pair for pair, other in zip(pairs, turned, strict=True)]
    trained, voted = shares(by, seed, strength, [pair["prompt"] for pair in pairs])
    tokenizer = models.load_tokenizer(models.SFT)
    source = reward.source.model_copy(update={"seed": seed})
    model = train(source, tokenizer, [pairs[place] for place in trained], compute, journal, scratch)
    asked = groups(tokenizer, [pairs[place] for place in voted])
    scorer = Scorer(model, said=journal.say)
    scores_V2 = np.array(rewards(scorer, asked, compute.tokens_at_once)).reshape(-1, 2)
    differences = scores_V2[:, 0] - scores_V2[:, 1]
    out = Path(f"data/strength/{by}/{labels}-{seed}.parquet")
    whole.table(out, pa.table([voted, differences.tolist()], schema=SCHEMA))
    ahead = (differences > 0) + 0.5 * (differences == 0)
    return {
        "rows": len(trained),
        "votes": len(voted),
        "accuracy": round(float(ahead.mean()), 6),
        "data_sha256": models.file_sha256(PAIRS),
        "numerics": scorer.numerics,
    }


def shares(by: str, seed: int, strength: Strength, prompts: Sequence[str]) -> tuple[list[int], list[int]]:
    """The places of the pairs that the member is trained on, and of those that it votes on."""
    vote, every = _vote(by, seed, strength), list(range(len(prompts)))
    if not isinstance(vote, Kfold):
        return every, every
    repeat, held = divmod(strength.members.index(seed), vote.folds)
    try:
        fold_P = folds(prompts, vote.folds, strength.seed, repeat)
    except ValueError as error:
        raise Refusal(
            str(PAIRS), str(error), f"lower strength.votes.{by}.folds, or give more pairs"
        ) from error
    return [place for place in every if fold_P[place] != held], [
        place for place in every if fold_P[place] == held
    ]


def _vote(by: str, seed: int, strength: Strength) -> Any:
    if by not in strength.votes or seed not in strength.members:
        place, cause = "command line", f"there is no vote {by!r} of a member {seed}"
        raise Refusal(place, cause, "name an entry of strength.votes and one of strength.members")
    return strength.votes[by]
