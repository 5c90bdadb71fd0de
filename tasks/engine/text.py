"""How a document becomes prompt ids and a summary becomes completion ids: one way, for every stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from tasks.refusal import Refusal
from tasks.settings import Text


def render(tokenizer: PreTrainedTokenizerBase, document: str, text: Text) -> str:
    """The prompt's text: the chat template around the instruction where there is one, else the template."""
    if tokenizer.chat_template is None:
        return text.template.replace("{document}", document)
    return render_chat(
        tokenizer, [{"role": "user", "content": text.instruction.replace("{document}", document)}]
    )


def render_chat(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]]) -> str:
    """The prompt's text of a conversation that the assistant answers next."""
    if tokenizer.chat_template is None:
        raise Refusal(
            tokenizer.name_or_path,
            "has no chat template",
            "give prompts as text, or use a chat model as base",
        )
    try:
        return str(tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))
    except (TemplateError, TypeError, ValueError) as error:  # of the template's own rules: roles in turn, say
        cause = " ".join(str(error).split())[:200]
        raise Refusal(
            tokenizer.name_or_path, f"its chat template refuses the messages ({cause})", "mend the messages"
        ) from error


def encode_prompt(tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[int]:
    """Ids of a rendered prompt; a chat template has written its own BOS, so none is added to it."""
    ids = _ids(tokenizer, prompt, add_special_tokens=tokenizer.chat_template is None)
    bos = tokenizer.bos_token_id
    if bos is not None and ids[:2] == [bos, bos]:
        raise Refusal(
            tokenizer.name_or_path, "the prompt starts with two BOS tokens", "take BOS out of text.template"
        )
    if ids and ids[-1] == tokenizer.eos_token_id and tokenizer.chat_template is None:
        ids = ids[:-1]  # some tokenizers close every text with EOS; a prompt is not closed
    return ids


def encode_completion(tokenizer: PreTrainedTokenizerBase, completion: str) -> list[int]:
    """Ids of a summary, EOS last. Tokenized apart from the prompt, so that the prompt's ids never change.

    A summary that spells a special token (it may speak of `</s>`) means its letters.
    """
    ids = _ids(tokenizer, completion, add_special_tokens=False, split_special_tokens=True)
    return [*ids, tokenizer.eos_token_id]


def require_room(
    place: str,
    rows: Sequence[dict[str, Any]],
    sides: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    text: Text,
    context: int,
) -> None:
    """Nothing, or a Refusal when a user's own row does not fit the model's `context` positions."""
    for row in rows:
        longest = max(len(encode_completion(tokenizer, row[side])) for side in sides)
        needed = len(encode_prompt(tokenizer, row["prompt"])) + max(longest, text.max_completion_tokens)
        if needed > context:
            raise Refusal(
                f"{place}: {row['id']}",
                f"needs {needed} tokens, models/sft has {context} positions",
                "shorten the row, or leave it out",
            )


def require_positions(model: Any, prompts: Sequence[Sequence[int]], new_tokens: int, what: str) -> None:
    """Nothing, or a Refusal where the longest of the prompts and its reply do not fit the model."""
    context = model.config.get_text_config().max_position_embeddings
    needed = max(map(len, prompts), default=0) + new_tokens
    if needed > context:
        raise Refusal(
            what, f"needs {needed} tokens, the model has {context} positions", "shorten it, or leave it out"
        )


def decode(tokenizer: PreTrainedTokenizerBase, completion_ids: list[int]) -> str:
    """The summary's text, without special tokens and edge spaces."""
    return str(tokenizer.decode(completion_ids, skip_special_tokens=True)).strip()


def _ids(tokenizer: PreTrainedTokenizerBase, text: str, **options: Any) -> list[int]:
    return list(tokenizer(text, return_attention_mask=False, **options)["input_ids"])
