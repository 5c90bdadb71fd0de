"""What a dialogue names, by kind: the pool from which a summary may take a wrong value."""

import re
from functools import cache

from tasks.corpus.matters import lexicon
from tasks.corpus.matters.matter import Matter

_DAY = r"(?:[월화수목금토일]요일|오늘|내일|모레|\d+월 \d+일)"
_PATTERNS = {
    "day": re.compile(_DAY),
    "time": re.compile(r"(?:오전|오후) \d+시(?: 반)?"),
    "amount": re.compile(r"\d+만 (?:\d+천 )?원"),
    "count": re.compile(r"\d+[개잔]"),
}


@cache
def _patterns(matter: Matter) -> dict[str, re.Pattern[str]]:
    kinds = {
        "name": lexicon.NAMES + lexicon.STAFF,
        "reason": tuple(lexicon.REASONS),
        "place": lexicon.PLACES + matter.slots.get("place", ()),
        **{slot: matter.slots[slot] for slot in ("item", "fault", "target") if slot in matter.slots},
    }
    # A word starts a run of Hangul: 표 is not meant in 발표.
    words = {
        kind: re.compile(rf"(?<![가-힣])(?:{'|'.join(sorted(ws, reverse=True))})")
        for kind, ws in kinds.items()
    }
    return _PATTERNS | words


def mentioned(text: str, matter: Matter) -> dict[str, list[str]]:
    """Every value that occurs in the text, by kind, each once, in the order of the text."""
    found = {kind: list(dict.fromkeys(pattern.findall(text))) for kind, pattern in _patterns(matter).items()}
    return {kind: values for kind, values in found.items() if values}
