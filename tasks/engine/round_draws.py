"""What a model draws in a round of iterated training: its answers to documents and its judgings of them, alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from transformers import PreTrainedTokenizerBase

from tasks.engine.generation import Completion
from tasks.engine.sampling import sample, seeded
from tasks.engine.scoring import Scorer
from tasks.engine.text import encode_prompt, require_positions
from tasks.sections.iterated import Iterate


def drawn(
    scorer: Scorer,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    count: int,
    new_tokens: int,
    iterate: Iterate,
    seed: int,
    what: str,
    said: Callable[[int, int], None] = lambda done, of: None,
) -> list[list[Completion]]:
    """`count` completions of each rendered prompt, at the block's temperature and top_p.

    what: names one of them in the Refusal of a prompt that does not fit the model.
    """
    ids = [tuple(encode_prompt(tokenizer, each)) for each in prompts]
    require_positions(scorer.model, ids, new_tokens, what)
    return sample(
        scorer,
        ids,
        completions=count,
        max_new_tokens=new_tokens,
        batch_size=iterate.batch_size,
        eos=int(tokenizer.eos_token_id),  # pyright: ignore[reportArgumentType]
        generators=seeded(seed, range(len(ids))),
        temperature=iterate.temperature,
        top_p=iterate.top_p,
        said=said,
    )
