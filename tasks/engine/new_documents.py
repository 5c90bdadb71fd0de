"""A round's new documents: without a summary, the corpus's or the user's, or written by models/base and filtered.

No document of validation or test is ever among them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from tasks.corpus.duplicates import groups, jaccard, key, shingles
from tasks.corpus.unlabelled import own_documents
from tasks.engine import models
from tasks.engine.journal import Journal
from tasks.engine.sampling import sample, seeded
from tasks.engine.scoring import Scorer
from tasks.engine.text import decode, encode_prompt
from tasks.measures import rouge
from tasks.refusal import Refusal
from tasks.sections.documents import Own, Prepare
from tasks.sections.iterated import Iterate, OwnDocuments, Written
from tasks.settings import Compute

PREPARED = Path("data/prepared")
LABELLED = ("train", "validation", "test")
MARK = {"ko": "글", "en": "Text"}

Continue = Callable[[Sequence[str], Sequence[int]], list[str]]  # prompts and a seed for each -> what follows


class Document(NamedTuple):
    """Its id and its text."""

    id: str
    text: str


def documents(
    iterate: Iterate, prepare: Prepare, own: Own, number: int, compute: Compute, journal: Journal
) -> list[Document]:
    """`iterate.documents` of round `number`, the first of which is 1; the same for every seed and branch."""
    similarity = prepare.near_duplicate_similarity
    if isinstance(iterate.prompts, Written):
        return written(
            iterate,
            similarity,
            number,
            _by_base(iterate.prompts, iterate.batch_size, compute, journal),
            journal,
        )
    if isinstance(iterate.prompts, OwnDocuments):
        rows, dropped = own_documents(Path(own.unlabelled))
        mended = dropped.pop("mended", 0)
        told = f"{len(rows)} documents, left out: {dict(dropped)}, rows that were mended: {mended}"
        journal.say(f"{own.unlabelled}: {told}")
        return unlabelled(
            [Document(*row) for row in rows], iterate, similarity, number, f"put more into {own.unlabelled}"
        )
    return unlabelled(_read("unlabelled"), iterate, similarity, number, "raise prepare.source.unlabelled")


def unlabelled(
    every: Sequence[Document], iterate: Iterate, similarity: float, number: int, cure: str
) -> list[Document]:
    """This round's share of those that prepare has no summary of, in an order of `iterate.seed`.

    similarity: from which a document counts as one that is labelled, or as another one of these.
    """
    known = [each.text for split in LABELLED for each in _read(split)]
    first = groups([*known, *(each.text for each in every)], similarity)[len(known) :]
    free = [each for place, each in enumerate(every, start=len(known)) if first[place - len(known)] == place]
    order = np.random.default_rng(iterate.seed).permutation(len(free))
    found = order[(number - 1) * iterate.documents : number * iterate.documents]
    if len(found) < iterate.documents:
        raise Refusal(
            "params.yaml: iterate.documents",
            f"round {number} needs documents {(number - 1) * iterate.documents + 1} to {number * iterate.documents}, "
            f"and there are {len(free)} without a summary",
            f"{cure}, or lower iterate.documents",
        )
    return [free[place] for place in sorted(found)]


def written(
    iterate: Iterate, similarity: float, number: int, carry_on: Continue, journal: Journal
) -> list[Document]:
    """What is written after examples and passes the filters; a Refusal where too little does.

    Each prompt holds training documents and earlier written ones, numbered, and ends where the next begins.
    """
    asked, wanted = iterate.prompts, iterate.documents
    assert isinstance(asked, Written)
    examples = [each.text for each in _read("train")]
    known = [shingles(key(each.text)) for split in LABELLED for each in _read(split)]
    chance = np.random.default_rng([iterate.seed, number])
    found: list[str] = []
    dropped: Counter[str] = Counter()
    tries = 0
    while len(found) < wanted and tries < wanted * asked.attempts:
        count = min(max(wanted - len(found), 16), wanted * asked.attempts - tries)
        shown = [_shown(examples, found, asked, chance) for _ in range(count)]
        seeds = [int(seed) for seed in chance.integers(2**31, size=count)]
        prompts = [_prompt(some, MARK[iterate.language]) for some in shown]
        for some, reply in zip(shown, carry_on(prompts, seeds), strict=True):
            text = _cut(reply, MARK[iterate.language])
            cause = _fault(text, [*some, *found], known, similarity, asked)
            if cause:
                dropped[cause] += 1
            elif len(found) < wanted:
                found.append(text)
                known.append(shingles(key(text)))
        tries += count
        journal.say(f"{len(found)} of {wanted} documents are written, {dict(dropped)} are dropped")
    if len(found) < wanted:
        raise Refusal(
            "params.yaml: iterate.prompts",
            f"of {tries} documents that models/base wrote, {len(found)} can be used (dropped: {dict(dropped)})",
            "set kind: unlabelled, or raise attempts, or lower iterate.documents",
        )
    return [Document(f"written-{number}-{place:06d}", text) for place, text in enumerate(found)]


def _shown(
    examples: Sequence[str], found: Sequence[str], asked: Written, chance: np.random.Generator
) -> list[str]:
    """The documents of one prompt: as many written ones as there are, then training documents."""
    own = [found[place] for place in chance.permutation(len(found))[: asked.written_examples]]
    given = [examples[place] for place in chance.permutation(len(examples))[: asked.examples]]
    return [*own, *given]


def _prompt(shown: Sequence[str], mark: str) -> str:
    numbered = [f"{mark} {place}:\n{text}\n\n" for place, text in enumerate(shown, start=1)]
    return "".join(numbered) + f"{mark} {len(shown) + 1}:\n"


def _cut(reply: str, mark: str) -> str:
    """What stands before the next document."""
    return reply.partition(f"\n{mark} ")[0].strip()


def _fault(
    text: str, others: Sequence[str], known: Sequence[np.ndarray], similarity: float, asked: Written
) -> str | None:
    """Why a document is not used, None where it is."""
    shortest, longest = asked.characters
    if not shortest <= len(text) <= longest:
        return "length"
    if any(word in text for word in asked.keywords):
        return "keyword"
    own = shingles(key(text))
    if any(jaccard(own, one, similarity) >= similarity for one in known):
        return "known"
    if any(rouge.rouge(text, other)["rougeL"] >= asked.similarity for other in others):
        return "similar"
    return None


def _by_base(asked: Written, batch_size: int, compute: Compute, journal: Journal) -> Continue:
    """models/base, which stays as it is in all rounds."""
    models.verified_manifest(models.BASE)
    tokenizer = models.load_tokenizer(models.BASE)
    scorer = Scorer(models.load_policy(models.BASE, compute), said=journal.say)
    context = models.context_tokens(models.BASE)

    def carry_on(prompts: Sequence[str], seeds: Sequence[int]) -> list[str]:
        ids = [tuple(encode_prompt(tokenizer, each)) for each in prompts]
        longest = max(map(len, ids)) + asked.tokens
        if longest > context:
            raise Refusal(
                "params.yaml: iterate.prompts",
                f"a prompt of {asked.examples} examples and its reply need {longest} tokens, models/base has {context}",
                "lower examples or tokens, or set kind: unlabelled",
            )
        found = sample(
            scorer,
            ids,
            completions=1,
            max_new_tokens=asked.tokens,
            batch_size=batch_size,
            eos=int(tokenizer.eos_token_id),  # pyright: ignore[reportArgumentType]
            generators=[seeded(seed, [0])[0] for seed in seeds],
            temperature=asked.temperature,
            top_p=asked.top_p,
        )
        return [decode(tokenizer, one.ids) for (one,) in found]

    return carry_on


def _read(split: str) -> list[Document]:
    rows = pq.read_table(PREPARED / f"{split}.parquet", columns=["id", "document"]).to_pylist()
    return [Document(row["id"], row["document"]) for row in rows]
