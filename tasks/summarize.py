"""Command summarize: a user's own text through any model of the comparison."""

from __future__ import annotations

import sys
from pathlib import Path

from tasks import parameters
from tasks.corpus.cleaning import MENDED, clean
from tasks.engine import models
from tasks.engine.sampling import sample
from tasks.engine.scoring import Scorer
from tasks.engine.text import decode, encode_prompt, render
from tasks.refusal import Refusal


def run(model: str, file: str) -> None:
    """Prints the greedy summary of one text file, cleaned as the training documents were."""
    every = parameters.read()
    if ".." in Path(model).parts:
        raise Refusal(
            "command line", f"--model {model!r} goes up", "name models/sft or models/<branch>-<seed>"
        )
    try:
        document, notes = clean(Path(file).read_bytes().decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(file, f"cannot be read as UTF-8 ({error})", "give a UTF-8 text file") from error
    if not document:
        raise Refusal(file, "holds no text", "give a file with a document")
    mended = ", ".join(f"{name} {count}" for name, count in sorted(notes.items()) if name in MENDED)
    if mended:
        print(f"gallim: {file}: mended, as the training documents were: {mended}", file=sys.stderr)
    models.verified_manifest(Path(model))
    policy, tokenizer = models.load_policy(model, every.compute), models.load_tokenizer(model)
    prompt = encode_prompt(tokenizer, render(tokenizer, document, every.text))
    context = policy.config.get_text_config().max_position_embeddings
    if len(prompt) + every.text.max_completion_tokens > context:
        raise Refusal(
            file, f"needs {len(prompt)} tokens, the model has {context} positions", "give a shorter text"
        )
    completion = sample(
        Scorer(policy, said=lambda text: print(f"gallim: {text}", file=sys.stderr)),
        [tuple(prompt)],
        completions=1,
        max_new_tokens=every.text.max_completion_tokens,
        batch_size=1,
        eos=tokenizer.eos_token_id,
        generators=None,
    )[0][0]
    print(decode(tokenizer, completion.ids))
    if not completion.ended:
        limit = f"{every.text.max_completion_tokens} tokens (text.max_completion_tokens)"
        print(f"gallim: cut off after {limit}", file=sys.stderr)
