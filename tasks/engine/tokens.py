"""What a tokenizer must be for a training to work: asked by a stage of its own rows, and by `check` ahead of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from transformers import PreTrainedTokenizerBase

from tasks.engine.groups import Group
from tasks.refusal import Refusal


def require_learnable(
    place: str, tokenizer: PreTrainedTokenizerBase, embeddings: int, rows: Iterable[Group]
) -> None:
    """Nothing, or a Refusal where a training on these rows could not learn to end, or would read past the model.

    embeddings: rows of the model's embedding table.
    """
    pad, eos = tokenizer.pad_token_id, tokenizer.eos_token_id
    if pad == eos:
        cause = f"pads with its EOS token ({tokenizer.eos_token!r}), so 'ended' and 'padded' look alike"
        raise Refusal(place, cause, "name a pad_token of its own in tokenizer_config.json")
    for number, row in enumerate(rows):
        for ids in row.completions:
            _require_one_end(f"{place}: row {number}", ids, eos)
        most = max((*row.prompt, *(one for ids in row.completions for one in ids)), default=0)
        if most >= embeddings:
            cause = f"row {number} has token {most}, and the model embeds {embeddings}"
            raise Refusal(place, cause, "give the tokenizer that this model was made with")


def _require_one_end(place: str, ids: Any, eos: Any) -> None:
    """The completion ends where it ends: EOS is trained, is the last token and stands nowhere else."""
    if not ids or ids[-1] != eos:
        raise Refusal(place, "its completion does not end with EOS", "report it: this is a fault of gallim")
    if eos in ids[:-1]:
        raise Refusal(
            place, "its completion holds EOS before its end", "take the literal EOS token out of the text"
        )
    if len(ids) == 1:
        raise Refusal(place, "its completion has no token but EOS", "leave the row out")
