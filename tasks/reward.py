"""Stage reward: a Bradley-Terry reward model for one fold of the pairs, started from models/sft.

loss = -log sigmoid(r_chosen - r_rejected) + center * (r_chosen + r_rejected)^2   (Ouyang et al. 2022, arXiv 2203.02155,
equation 1; the second term: Eisenstein et al. 2023, arXiv 2312.09244)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.engine import models
from tasks.engine.families.pairs import groups
from tasks.engine.journal import Journal
from tasks.engine.reward_training import Pair, train
from tasks.engine.scoring import Scorer, rewards
from tasks.refusal import Refusal
from tasks.sections.documents import Own
from tasks.sections.trunk import Reward, TrainedReward
from tasks.settings import Compute


def run(
    fold: str, reward: Reward, own: Own, compute: Compute, journal: Journal, scratch: Path
) -> dict[str, float | int | str]:
    """Accuracy on the fold's held-out prompts beside 'prefer the longer', and the scale of the scores."""
    models.verified_manifest(models.SFT)
    pairs, holdout = (
        pq.read_table(f"data/pairs/{name}.parquet").to_pylist() for name in (fold, f"{fold}_holdout")
    )
    tokenizer = models.load_tokenizer(models.SFT)
    if isinstance(reward.source, TrainedReward):
        model = train(reward.source, tokenizer, pairs, compute, journal, scratch)
    else:
        model = _own(own.reward, tokenizer, pairs, compute)
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    scorer = Scorer(model, said=journal.say)
    scores, held_out = (_scores(scorer, tokenizer, some, compute) for some in (pairs, holdout))
    scale = {"mean": float(scores.mean()), "deviation": float(max(scores.std(), 1e-6))}
    manifest = models.save(model, tokenizer, Path(f"models/reward-{fold}"), **scale)
    return {
        "rows": len(pairs),
        "rows_holdout": len(holdout),
        "train_accuracy": _accuracy(scores[:, 0] - scores[:, 1]),
        "holdout_accuracy": _accuracy(held_out[:, 0] - held_out[:, 1]),
        "longer_accuracy": _accuracy(
            np.array([p["characters_chosen"] - p["characters_rejected"] for p in holdout])
        ),
        "mean": round(scale["mean"], 6),
        "deviation": round(scale["deviation"], 6),
        "weights_sha256": manifest["weights_sha256"],
        "numerics": scorer.numerics,
    }


def _own(
    directory: str, tokenizer: PreTrainedTokenizerBase, pairs: list[Pair], compute: Compute
) -> PreTrainedModel:
    """The user's reward model; RLOO and evaluation will give it the ids of models/sft's tokenizer."""
    theirs, model = models.load_tokenizer(directory), models.load_reward(directory, compute)
    models.separate_pad(model, theirs)
    if groups(theirs, pairs) != groups(tokenizer, pairs) or theirs.pad_token_id != tokenizer.pad_token_id:
        raise Refusal(
            directory,
            "its tokenizer gives other ids than that of models/sft",
            "give a reward model that was made from models/sft or from the same base",
        )
    return model


def _scores(
    scorer: Scorer, tokenizer: PreTrainedTokenizerBase, pairs: list[Pair], compute: Compute
) -> np.ndarray:
    """(pairs, 2): the scores of chosen and rejected."""
    return np.array(rewards(scorer, groups(tokenizer, pairs), compute.tokens_at_once)).reshape(-1, 2)


def _accuracy(margins: np.ndarray) -> float:
    """Share of pairs with the chosen side ahead, a tie counted half."""
    return round(float(((margins > 0) + 0.5 * (margins == 0)).mean()), 6)
