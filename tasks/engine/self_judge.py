"""A language model as the judge of summaries: asked by a rubric, read by its last score, measured before it is used.

LLM-as-a-judge as in Self-Rewarding Language Models (Yuan et al. 2024, arXiv 2401.10020, sections 2.1 and 2.2): each
text is judged several times, and its score is the mean of what could be read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from transformers import PreTrainedTokenizerBase

from tasks.corpus import points
from tasks.engine.round_draws import drawn
from tasks.engine.scoring import Scorer
from tasks.engine.text import decode, render_chat
from tasks.sections.iterated import Iterate

Texts = Sequence[tuple[str, str]]  # document and summary


class Judged(NamedTuple):
    """A score for each text, None where no judging could be read, and what the judging came to."""

    scores: list[float | None]
    readable: int
    unreadable: int
    tokens: int  # that were generated

    def histogram(self) -> dict[str, int]:
        """How many texts have a score, by the whole number nearest to it."""
        return dict(
            sorted(Counter(str(int(score + 0.5)) for score in self.scores if score is not None).items())
        )


def prompt(tokenizer: PreTrainedTokenizerBase, rubric: str, document: str, summary: str) -> str:
    """What the model is asked, as its user's turn where it has a chat template.

    A text that is judged can neither end its place nor open a turn: special tokens that it spells are taken out.
    """
    spelled = tokenizer.all_special_tokens
    one_line = " ".join(points.quoted(summary, spelled).split())
    text = points.asked(rubric, points.quoted(document, spelled), one_line)
    return (
        text
        if tokenizer.chat_template is None
        else render_chat(tokenizer, [{"role": "user", "content": text}])
    )


def judged(
    scorer: Scorer, tokenizer: PreTrainedTokenizerBase, texts: Texts, iterate: Iterate, seed: int
) -> Judged:
    """Every text's mean score of `iterate.judgements` judgings; one that is cut off or cannot be read is left out."""
    rubric = points.rubric(iterate.language, iterate.rubric)
    asked = [prompt(tokenizer, rubric, document, summary) for document, summary in texts]
    what = f"a judging by {points.FOLDER}/{iterate.language}.{iterate.rubric}.txt"
    tokens = iterate.judgement_tokens
    replies = drawn(scorer, tokenizer, asked, iterate.judgements, tokens, iterate, seed, what)
    found = [
        [points.read(decode(tokenizer, one.ids)) if one.ended else None for one in some] for some in replies
    ]
    return averaged(found, sum(len(one.ids) for some in replies for one in some))


def averaged(found: Sequence[Sequence[float | None]], tokens: int = 0) -> Judged:
    """The mean of each text's readable scores, not rounded: rounding would make ties."""
    known = [[score for score in some if score is not None] for some in found]
    readable = sum(map(len, known))
    means = [sum(some) / len(some) if some else None for some in known]
    return Judged(means, readable, sum(map(len, found)) - readable, tokens)


class Accuracy(NamedTuple):
    """Of labelled pairs the share that the judge orders rightly, a tie and an unreadable one counting half."""

    pairs: int
    accuracy: float
    deviation: float  # of the accuracy, if the pairs are a sample of such pairs
    tied: int
    unreadable: int

    def told(self) -> dict[str, Any]:
        """For the record, rounded."""
        return {
            name: round(value, 6) if isinstance(value, float) else value
            for name, value in self._asdict().items()
        }


def accuracy(chosen: Sequence[float | None], rejected: Sequence[float | None]) -> Accuracy:
    """Of scores of pairs whose first is the better one; half for who cannot say, so that a guesser has 0.5."""
    known = [(a, b) for a, b in zip(chosen, rejected, strict=True) if a is not None and b is not None]
    unreadable = len(chosen) - len(known)
    right = np.array([float(a > b) + 0.5 * (a == b) for a, b in known] + [0.5] * unreadable)
    if not len(right):
        raise ValueError("there is no pair to measure a judge by")
    deviation = float(right.std(ddof=1) / len(right) ** 0.5) if len(right) > 1 else 0.5
    return Accuracy(len(right), float(right.mean()), deviation, sum(a == b for a, b in known), unreadable)
