"""What several sources answer to the same documents: models at a temperature, and the document's own first sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.engine.journal import Journal
from tasks.engine.models import BASE, SFT, load_policy, load_tokenizer, separate_pad, verified_manifest
from tasks.engine.sampling import sample, seeded
from tasks.engine.scoring import Scorer
from tasks.engine.text import decode, encode_completion, encode_prompt, render
from tasks.measures import rouge
from tasks.sections.asked import Feedback, ModelSource
from tasks.settings import Compute, Text

Rows = Sequence[dict[str, Any]]
Usable = list[list[tuple[str, str]]]  # by document: source and text
Given = list[
    tuple[str, bool, int]
]  # by document: text, whether it ended by itself, tokens that were generated


def answers(
    documents: Rows, feedback: Feedback, own: Path, text: Text, compute: Compute, journal: Journal
) -> tuple[Usable, Counter[str], int]:
    """Of each document the answers that can be trained on, the counts of those that cannot, and all tokens drawn."""
    dropped: Counter[str] = Counter(cut_off=0, empty=0, too_long=0)
    usable: Usable = [[] for _ in documents]
    tokenizer, generated = load_tokenizer(SFT), 0
    for name, source in feedback.sources.items():
        if isinstance(source, ModelSource):
            given = _sampled(name, source, documents, feedback, own, text, compute, journal)
        else:
            given = [(rouge.lead(row["document"]), True, 0) for row in documents]
        generated += sum(tokens for _, _, tokens in given)
        for some, (answer, ended, _) in zip(usable, given, strict=True):
            if not ended:
                dropped["cut_off"] += 1
            elif not answer:
                dropped["empty"] += 1
            elif len(encode_completion(tokenizer, answer)) > text.max_completion_tokens:
                dropped["too_long"] += 1
            else:
                some.append((name, answer))
    return usable, dropped, generated


def _sampled(
    name: str,
    source: ModelSource,
    documents: Rows,
    feedback: Feedback,
    own: Path,
    text: Text,
    compute: Compute,
    journal: Journal,
) -> Given:
    """One answer to every document; what a source draws does not depend on the other sources."""
    directory = {"sft": SFT, "base": BASE, "own": own}[source.model]
    if source.model != "own":
        verified_manifest(directory)
    model, tokenizer = load_policy(directory, compute), load_tokenizer(directory)
    separate_pad(model, tokenizer)
    seed = int(np.random.SeedSequence([feedback.seed, *name.encode()]).generate_state(1)[0])
    found = sample(
        Scorer(model, said=journal.say),
        [tuple(encode_prompt(tokenizer, render(tokenizer, row["document"], text))) for row in documents],
        completions=1,
        max_new_tokens=text.max_completion_tokens,
        batch_size=feedback.batch_size,
        eos=tokenizer.eos_token_id,
        generators=seeded(seed, range(len(documents))),
        temperature=source.temperature,
        said=lambda done, of: journal.say(f"{name}: {done} of {of} answers"),
    )
    return [(decode(tokenizer, one.ids), one.ended, len(one.ids)) for (one,) in found]
