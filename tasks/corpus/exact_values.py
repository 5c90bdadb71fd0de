"""The values that a summary names (days, hours, places, items, sums), in one canonical form each."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from tasks.corpus.matters import MATTERS, lexicon

_TOPICAL = ("meeting",)  # its items (예산, 행사) are common words in any sentence
WORD_KINDS = ("place", "item", "fault", "target")
_NATIVE = {
    word: number
    for number, words in enumerate(
        ("한 하나", "두 둘", "세 셋", "네 넷", "다섯", "여섯", "일곱", "여덟", "아홉", "열", "열한", "열두"),
        start=1,
    )
    for word in words.split()
}
_NUMBER = rf"(?:\d{{1,2}}|(?<![가-힣])(?:{'|'.join(sorted(_NATIVE, key=len, reverse=True))}))"
_DAY = re.compile(
    r"(?<![가-힣])(?:(?P<week>[월화수목금토일])(?:요일|욜)|(?P<near>오늘|내일|모레))"
    r"|(?P<m>\d{1,2})월 ?(?P<d>\d{1,2})일"
)
_TIME = re.compile(
    r"(?:(?P<half>오전|오후|아침|낮|저녁|밤|새벽) ?)?"
    rf"(?:(?<!\d)(?P<h>{_NUMBER}) ?시(?!간|절) ?(?P<m>반|\d{{1,2}} ?분)?"
    r"|(?<!\d)(?P<clock>\d{1,2}):(?P<minute>\d{2})|(?P<noon>정오))"
)
_AMOUNT = re.compile(
    r"(?P<man>\d+) ?만 ?(?:(?P<cheon>\d) ?천 ?|(?P<rest>\d{4}) ?)?원"
    r"|(?P<plain>\d{1,3}(?:,\d{3})+|\d{4,7}) ?원"
)
_COUNT = re.compile(rf"(?<!\d)(?P<n>{_NUMBER}) ?(?:개|판|마리|줄|인분|박스|상자|세트|그릇|조각|잔)(?!월)")
_MORNING, _AFTERNOON = ("오전", "아침", "새벽"), ("오후", "낮", "저녁", "밤")

# Other words for a value, as people write them.
SYNONYMS = {
    "강남역": ("강남",),
    "홍대입구": ("홍대",),
    "시청역": ("시청",),
    "잠실역": ("잠실",),
    "성수동": ("성수",),
    "2층 회의실": ("2층",),
    "3층 회의실": ("3층",),
    "5층 회의실": ("5층",),
    "텔레비전": ("TV", "티브이", "티비"),
    "컴퓨터": ("PC",),
    "꽃다발": ("꽃",),
    "사이즈": ("크기", "치수"),
    "색상": ("색깔", "색이"),
    "어머니": ("엄마",),
    "아버지": ("아빠",),
    "팀장님": ("팀장",),
    "선생님": ("선생",),
}


@dataclass(frozen=True, slots=True)
class Value:
    """One value named in a text."""

    kind: str
    value: Any  # canonical: compare with `same`
    start: int
    end: int


def same(one: Any, other: Any) -> bool:
    """True when two canonical values of one kind mean the same; an hour without its half of day fits both."""
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other) == 3:
        return one[1:] == other[1:] and (not one[0] or not other[0] or one[0] == other[0])
    return one == other


@lru_cache(maxsize=4096)
def canonical(kind: str, text: str) -> Any:
    """The canonical form of a value as the facts write it."""
    reader = _READERS.get(kind)
    found = reader(text) if reader else []
    return found[0].value if found else text


def read_values(text: str, facts: Mapping[str, Any]) -> list[Value]:
    """Every value in the text, in order; words of the row itself come before the shared vocabulary."""
    found = [value for reader in _READERS.values() for value in reader(text)]
    own = tuple(
        (kind, tuple(sorted(_own_words(facts, kind) | set(_vocabulary(facts["matter"]).get(kind, ())))))
        for kind in WORD_KINDS
    )
    for kind, words in own:
        pattern, meaning = _word_pattern(words)
        if pattern:
            found += [Value(kind, meaning[m.group()], m.start(), m.end()) for m in pattern.finditer(text)]
    return sorted(found, key=lambda value: value.start)


def foreign_items(text: str, facts: Mapping[str, Any]) -> list[str]:
    """Items of other matters named in the text, which nobody in this dialogue spoke of."""
    pattern, meaning = _word_pattern(_all_items())
    known = set(_vocabulary(facts["matter"]).get("item", ())) | {role["object"] for role in facts["roles"]}
    known |= {word for words in facts["mentioned"].values() for word in words}
    return (
        [word for m in pattern.finditer(text) if (word := meaning[m.group()]) not in known] if pattern else []
    )


def _own_words(facts: Mapping[str, Any], kind: str) -> set[str]:
    words = {facts[part][kind] for part in ("slots", "extra", "old") if kind in facts[part]}
    return words | set(facts["mentioned"].get(kind, ()))


@cache
def _vocabulary(matter: str) -> dict[str, tuple[str, ...]]:
    """The words of each kind that the matter's dialogues draw from."""
    slots: dict[str, tuple[str, ...]] = next((m.slots for m in MATTERS if m.name == matter), {})
    places = tuple(dict.fromkeys((*lexicon.PLACES, *slots.get("place", ()))))
    words: dict[str, tuple[str, ...]] = {kind: slots.get(kind, ()) for kind in WORD_KINDS}
    return {**words, "place": places}


@cache
def _all_items() -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            item for matter in MATTERS if matter.name not in _TOPICAL for item in matter.slots.get("item", ())
        )
    )


@lru_cache(maxsize=512)
def _word_pattern(words: tuple[str, ...]) -> tuple[re.Pattern[str] | None, dict[str, str]]:
    """A pattern for the words and their synonyms, and what each match means."""
    meaning = {synonym: word for word in words for synonym in SYNONYMS.get(word, ())} | {
        word: word for word in words
    }
    if not meaning:
        return None, {}
    longest_first = sorted(meaning, key=len, reverse=True)
    return re.compile(rf"(?<![가-힣\d])(?:{'|'.join(map(re.escape, longest_first))})"), meaning


def _number(text: str) -> int:
    return _NATIVE[text] if text in _NATIVE else int(text)


def _read_days(text: str) -> list[Value]:
    return [
        Value("day", m["week"] or m["near"] or (int(m["m"]), int(m["d"])), m.start(), m.end())
        for m in _DAY.finditer(text)
    ]


def _read_times(text: str) -> list[Value]:
    found = []
    for m in _TIME.finditer(text):
        if m["noon"]:
            hour, minute = 12, 0
        elif m["clock"]:
            hour, minute = int(m["clock"]), int(m["minute"])
        else:
            hour = _number(m["h"])
            minute = 30 if m["m"] == "반" else int(re.sub(r"\D", "", m["m"] or "0"))
        half = "오전" if m["half"] in _MORNING else "오후" if m["half"] in _AFTERNOON else ""
        if hour > 12:
            hour, half = hour - 12, "오후"
        found.append(Value("time", (half, hour, minute), m.start(), m.end()))
    return found


def _read_amounts(text: str) -> list[Value]:
    found = []
    for m in _AMOUNT.finditer(text):
        won = int(m["plain"].replace(",", "")) if m["plain"] else int(m["man"]) * 10_000
        won += int(m["cheon"] or 0) * 1_000 + int(m["rest"] or 0)
        found.append(Value("amount", won, m.start(), m.end()))
    return found


def _read_counts(text: str) -> list[Value]:
    return [Value("count", _number(m["n"]), m.start(), m.end()) for m in _COUNT.finditer(text)]


_READERS = {"day": _read_days, "time": _read_times, "amount": _read_amounts, "count": _read_counts}
