"""Dialogue encodings: a list of turns, `Name: text` or `#Person1#: text` lines; all become such lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.corpus.cleaning import clean
from tasks.refusal import Refusal

SPEAKER_KEYS = ("speaker", "화자")
TEXT_KEYS = ("utterance", "text", "말")
DIALOGUE_SHARE = 0.8  # of the lines must name a speaker before a text counts as a dialogue

# A tag, or a name that starts with a letter (so 10:30 is no speaker); text after // would be an address.
_TURN = re.compile(r"\s*(#[^#\s]{1,40}#\s{0,3}|[^\W\d_][^:：#]{0,29})[:：](?!//)(.*)", re.DOTALL)


def flatten(value: Any, place: str) -> tuple[str, Counter[str]]:
    """A document as clean text, one turn a line, and counts: turns, unparsed_turns, what was mended."""
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, list) and all(item is None or isinstance(item, str) for item in value):
        text, notes = _from_text("\n".join(item for item in value if item is not None))
        return text, +(notes + Counter(null_sentences=value.count(None)))
    if isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
        return _from_turns(value, place)
    kinds = (
        f"a list of {', '.join(sorted({_kind(item) for item in value}))}"
        if isinstance(value, list)
        else _kind(value)
    )
    raise Refusal(
        place, f"the document cannot be read ({kinds})", "give text, a list of sentences or a list of turns"
    )


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return "object"
    return "nothing" if value is None else type(value).__name__


def _from_text(text: str) -> tuple[str, Counter[str]]:
    text, notes = clean(text)
    lines = text.split("\n")
    found = [_TURN.fullmatch(line) for line in lines]
    if not _is_dialogue(found, sum(bool(line) for line in lines)):
        return text, notes
    told = [
        f"{turn[1].strip()}: {turn[2].strip()}" if turn else line
        for turn, line in zip(found, lines, strict=True)
    ]
    parsed = sum(turn is not None for turn in found)
    unparsed = sum(bool(line) for line in lines) - parsed
    notes += Counter(dialogues=1, turns=parsed, unparsed_turns=unparsed)
    return "\n".join(line.rstrip() for line in told).strip(), +notes


def spoken(document: str) -> list[str]:
    """Who speaks in each line of a flattened document, empty where a line names nobody; of no dialogue nothing."""
    found = [_TURN.fullmatch(line) for line in document.split("\n")]
    if not _is_dialogue(found, sum(bool(line) for line in document.split("\n"))):
        return []
    return [turn[1].strip() if turn else "" for turn in found]


def _is_dialogue(found: Sequence[re.Match[str] | None], lines: int) -> bool:
    """True with a #Person# tag, or when most lines name a speaker and one of them speaks twice."""
    speakers = [turn[1].strip() for turn in found if turn]
    if any(speaker.startswith("#") for speaker in speakers):
        return True
    return len(speakers) > len(set(speakers)) and len(speakers) >= DIALOGUE_SHARE * lines


def _from_turns(turns: Sequence[Mapping[str, Any]], place: str) -> tuple[str, Counter[str]]:
    lines, notes = [], Counter[str]()
    for number, turn in enumerate(turns, 1):
        said = next((turn[key] for key in TEXT_KEYS if key in turn), None)
        if not isinstance(said, str):
            known = ", ".join(TEXT_KEYS)
            raise Refusal(
                place, f"a turn without text (turn {number})", f"give each turn its words as one of {known}"
            )
        said, mended = clean(said)
        speaker, mended_name = clean(_name(next((turn[key] for key in SPEAKER_KEYS if key in turn), None)))
        notes += mended + mended_name + _counts(speaker, said)
        if said:
            words = " ".join(said.split("\n"))
            lines.append(f"{' '.join(speaker.split())}: {words}" if speaker else words)
    return "\n".join(lines), +(notes + Counter(dialogues=1))


def _counts(speaker: str, said: str) -> Counter[str]:
    if not said:
        return Counter(empty_turns=1)
    return Counter(turns=1) if speaker else Counter(unparsed_turns=1)


def _name(speaker: Any) -> str:
    """The speaker as text, empty when there is none; NIKL writes SD2000001 in one release, 1 in another."""
    if isinstance(speaker, str):
        return speaker
    if isinstance(speaker, float) and speaker.is_integer():
        speaker = int(speaker)
    return str(speaker) if isinstance(speaker, int) and not isinstance(speaker, bool) else ""
