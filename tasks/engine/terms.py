"""The terms of an evaluation: what two models must share before `compare` may rank one above the other.

The size of a batch is none of them: what is drawn for a prompt follows from the seed and the prompt's place alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from tasks.engine import models
from tasks.engine.evaluator import TEMPERATURE, Evaluator
from tasks.engine.text import render
from tasks.measures import judge_code
from tasks.sections.compared import Evaluate
from tasks.sections.trunk import Judge
from tasks.settings import Text


def of(
    evaluator: Evaluator,
    folder: Path,
    documents: Sequence[dict[str, Any]],
    evaluate: Evaluate,
    judge: Judge,
    text: Text,
) -> dict[str, Any]:
    """`contract` of summary.json, beside the hashes of reference, prompts and reward model; sha256 in hex.

    `model_tokenizer_sha256` is of the tokenizer that was saved with the model: all are decoded by models/sft's.
    """
    return {
        "documents_sha256": digest(documents),
        "tokenizer_sha256": tokenizer_hash(evaluator.tokenizer),
        "model_tokenizer_sha256": tokenizer_hash(models.load_tokenizer(folder)),
        "template_sha256": digest(render(evaluator.tokenizer, "{document}", text)),
        "decoding": {
            "max_new_tokens": text.max_completion_tokens,
            "samples": evaluate.samples,
            "seed": evaluate.seed,
            "temperature": TEMPERATURE,
        },
        "judge_sha256": judge_code.sha256(judge.kind),
        "reward_scale": {"mean": evaluator.reward.mean, "deviation": evaluator.reward.deviation},
        "dtype": evaluator.compute.dtype,
        "device": models.device_of(evaluator.compute).type,
        "numerics": evaluator.policy.numerics,
    }


def tokenizer_hash(tokenizer: PreTrainedTokenizerBase) -> str:
    """Of what decides ids and texts: vocabulary, rules, special tokens and chat template; not of how it was saved."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    rules = {"vocabulary": tokenizer.get_vocab()} if backend is None else json.loads(backend.to_str())
    lasting = {name: value for name, value in rules.items() if name not in ("truncation", "padding")}
    special = [tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id]
    return digest([lasting, special, sorted(tokenizer.all_special_ids), tokenizer.chat_template])


def digest(known: Any) -> str:
    """sha256 of plain values, 64 hex digits; the order of a list counts, that of a mapping does not."""
    text = json.dumps(known, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
