"""What people are asked: which of two summaries of a document is better, in an order and on sides that a seed draws."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

KEY_DIGITS = 16  # 64 bits; a project asks some thousand questions


class Question(NamedTuple):
    """A document and two summaries of it; `a` is of the model that is named first."""

    id: str
    document: str
    reference: str | None
    a: str
    b: str

    @property
    def key(self) -> str:
        """Of all that a verdict is about: a model that writes another text is asked about again."""
        told = json.dumps([self.id, self.document, self.a, self.b])
        return hashlib.sha256(told.encode()).hexdigest()[:KEY_DIGITS]

    @property
    def is_tie(self) -> bool:
        """Whether both are one text, about which nobody is asked."""
        return self.a == self.b


class Placed(NamedTuple):
    """A question and which summary stands on the left."""

    question: Question
    a_is_left: bool

    @property
    def left(self) -> str:
        return self.question.a if self.a_is_left else self.question.b

    @property
    def right(self) -> str:
        return self.question.b if self.a_is_left else self.question.a

    def verdict(self, side: str) -> str:
        """`a` or `b` for `left` or `right`; every other word stays."""
        if side not in ("left", "right"):
            return side
        return "a" if (side == "left") == self.a_is_left else "b"


def drawn(questions: Sequence[Question], seed: int, most: int | None) -> list[Placed]:
    """The first `most` of all questions in the order of the seed, each with its sides.

    With a larger `most` the former ones stay, in their order and on their sides.
    """
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(questions)).tolist()
    lefts = generator.integers(0, 2, len(questions)).tolist()
    return [Placed(questions[place], bool(lefts[place])) for place in order[:most]]
