"""Additive points for a summary, 0 to 5: one a criterion, how they are written down, and how a reply is read.

The form is that of Self-Rewarding Language Models (Yuan et al. 2024, arXiv 2401.10020, figure 2), with five criteria of
summaries in place of those of a chat.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tasks.corpus.cleaning import clean
from tasks.refusal import Refusal

FOLDER = Path("assets/judging")
MOST = 5.0
CRITERIA = {
    "ko": ("관련", "범위", "사실", "길이", "문장"),
    "en": ("relevance", "coverage", "faithfulness", "length", "language"),
}
SCORE = {"ko": "점수", "en": "Score"}
# Of the exact judge's parts, so that the order by points is mostly its order by score, which is what a judge has to
# learn: of the embedded corpus's pairs 86 % are ordered alike, 13 % tied.
HALF, MOSTLY, ONE_UNIT, WHOLE = 0.5, 0.75, 0.2, 0.99

_SCORE = re.compile(
    r"(?:점수|score)\**\s*[:：]\s*\**\s*(-?\d+(?:\.\d+)?)(?:\s*/\s*(\d+(?:\.\d+)?))?", re.IGNORECASE
)
_PLACE = re.compile(r"\{(document|summary)\}")


def of_verdict(parts: Mapping[str, float]) -> tuple[bool, ...]:
    """Whether each criterion is met, by the exact judge's parts (tasks/corpus/exact_judge.py).

    Relevance and coverage are a half and three quarters of the facts told; faithful is who tells no more than one of
    6 to 8 units falsely; length and language are whole.
    """
    false = parts["contradiction"] + parts["invention"] + parts["attribution"]
    return (
        parts["coverage"] >= HALF,
        parts["coverage"] >= MOSTLY,
        false <= ONE_UNIT,
        parts["length"] >= WHOLE,
        parts["form"] >= WHOLE,
    )


def written(met: Sequence[bool], language: str, form: str) -> str:
    """A reply that gives these points: their sum, and in the full form each criterion with its point before it."""
    each = ", ".join(f"{name} {int(one)}" for name, one in zip(CRITERIA[language], met, strict=True))
    return total(sum(met), language) if form == "short" else f"{each}. {total(sum(met), language)}"


def total(points: int, language: str) -> str:
    """How a reply ends."""
    return f"{SCORE[language]}: {points}"


def read(reply: str) -> float | None:
    """The last `Score: n` (or `점수: n`) of a reply, decimals and `4/5` too; None without one, or of another scale."""
    found = _SCORE.findall(reply)
    number, of = found[-1] if found else ("", "")
    if not number or (of and float(of) != MOST):
        return None
    return float(number) if 0 <= float(number) <= MOST else None


def rubric(language: str, form: str, folder: Path = FOLDER) -> str:
    """The text of assets/judging/<language>.<form>.txt, which holds {document} and {summary} once each."""
    path = folder / f"{language}.{form}.txt"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(
            "params.yaml: iterate.rubric", f"{path} cannot be read ({error})", "write it there"
        ) from error
    if sorted(_PLACE.findall(text)) != ["document", "summary"]:
        raise Refusal(str(path), "must hold {document} and {summary}, each once", "add what is missing")
    return text.rstrip("\n")


def quoted(text: str, special_tokens: Iterable[str]) -> str:
    """The text without special tokens spelled in it, and without anything that could close a tag around it."""
    found, _ = clean(text)
    for token in special_tokens:
        found = found.replace(token, " ")
    return found.replace("</", "< /")


def asked(rubric_text: str, document: str, summary: str) -> str:
    """The rubric with both texts in their places; what stands in them is put into no place."""
    given = {"document": document, "summary": summary}
    return _PLACE.sub(lambda found: given[found.group(1)], rubric_text)
