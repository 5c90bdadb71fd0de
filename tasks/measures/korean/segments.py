"""A sentence cut into segments with one predicate each, and the auxiliaries that belong to it."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.measures.korean.speakers import JOINED, SUBJECT, TOPIC, Mention
from tasks.measures.morphemes import Morpheme

VERBS, ADJECTIVES, COPULAS = ("VV", "XSV"), ("VA", "XSA"), ("VCP", "VCN")
PREDICATES = frozenset({*VERBS, *ADJECTIVES, *COPULAS})
NOUNS = frozenset({"NNG", "NNP", "XR", "SL"})
ENDINGS = frozenset({"EC", "EF", "ETM", "ETN"})
DUTIES = frozenset({"담당", "몫", "책임", "차례", "역할"})  # 자료는 민수 담당: a predicate without a verb
_PARTICLES = ("JX", "JKS", "JKO", "JKB")
_FIXED = frozenset({"예정", "계획", "생각", "필요", "방침", "뜻"})  # 살 예정이다: of 사
_DECIDED = frozenset({"하", "되", "정하", "약속", "결정", "합의"})  # 사기로 하다: of 사
QUOTED = ("라고", "다고", "자고", "냐고")  # 사라고 하다, 산다고 하다: of 사
_REFUSED = ("지", "면")  # 사지 못 하다, 사면 안 되다; but not 아파서 안 되다
_AFTER_FIXED = ("", ".", "이", "있", "없", "아니", "같", "하")
_PADDING = [""] * 4  # so that one may look a few places past either end


class Segment:
    """Morphemes and mentions in order, with their tags and forms, both "" for a mention and past the ends."""

    def __init__(self, items: Sequence[Morpheme | Mention]) -> None:
        self.items = items
        self.tags = [item.tag for item in items] + _PADDING
        self.forms = [item.form for item in items] + _PADDING
        self.mentions = [item for item in items if isinstance(item, Mention)]
        self.last_tag = self.tags[len(items) - 1]
        self.predicate = self._predicate()  # the first one's place; what follows it are its auxiliaries
        start = self.predicate or 0
        ends = [
            form for form, tag in zip(self.forms[start:], self.tags[start:], strict=True) if tag in ENDINGS
        ]
        self.ending = ends[-1] if ends else ""

    def _predicate(self) -> int | None:
        for place, tag in enumerate(self.tags):
            if tag in PREDICATES or (self.forms[place] in DUTIES and self.named(place - 1)):
                return place
        return None

    def named(self, place: int) -> bool:
        """Whether a speaker is named there."""
        return 0 <= place < len(self.items) and isinstance(self.items[place], Mention)


def cut(sentence: Segment) -> list[Segment]:
    """The sentence in segments with one predicate at most each; one without one may stand before a comma."""
    found, start, seen = [], 0, False
    for place, tag in enumerate(sentence.tags[: len(sentence.items)]):
        seen = seen or tag in PREDICATES
        if sentence.forms[place] == ",":
            ends = not seen and _names_both(sentence.items[start:place])
        elif tag == "VV" and sentence.tags[place + 1] in NOUNS:
            ends = True  # 배탈이 나 월요일은: Kiwi leaves out an ending that is one sound with its stem
        else:
            ends = seen and tag in ENDINGS and not _continued(sentence, place)
        if ends:
            found.append(Segment(sentence.items[start : place + 1]))
            start, seen = place + 1, False
    return [*found, Segment(sentence.items[start:])] if start < len(sentence.items) else found


def actors(segment: Segment) -> tuple[str, ...]:
    """The speakers with 이 or 가, else those with 은, 는 or 도, and who is joined to them by 와; of 민수 담당 민수."""
    joined = [each.name for each in segment.mentions if each.role == JOINED]
    for kind in (SUBJECT, TOPIC):
        of_kind = [each.name for each in segment.mentions if each.role == kind]
        if of_kind:
            return (*joined, of_kind[-1])
    place = segment.predicate
    before = segment.items[place - 1] if place and segment.forms[place] in DUTIES else None
    return (before.name,) if isinstance(before, Mention) else ()


def _names_both(items: Sequence[Morpheme | Mention]) -> bool:
    """Whether a thing and who has to do with it are named, as in 간식은 하준이 and in 상자는 진수 담당."""
    kinds = {item.role for item in items if isinstance(item, Mention)}
    duty = any(item.form in DUTIES for item in items)
    return bool(kinds & {SUBJECT, TOPIC} or (kinds and duty)) and any(item.tag in NOUNS for item in items)


def _continued(sentence: Segment, place: int) -> bool:
    """Whether what follows the ending at `place` belongs to the predicate before it."""
    tags, forms = sentence.tags, sentence.forms
    after = _past_particles(sentence, place + 1)
    if tags[place] == "EF":
        return False
    if tags[place] == "ETM":  # 살 수 없다, 살 예정이다, 산 것이다; but not 산 사람, 산 것을
        behind = forms[_past_particles(sentence, after + 1)]
        return (tags[after] == "NNB" or forms[after] in _FIXED) and behind in _AFTER_FIXED
    if tags[place] == "ETN":  # 사기로 했다; but not 사기 위해
        return forms[place] == "기" and forms[place + 1] == "로" and forms[after] in _DECIDED
    return (
        tags[after] == "VX"
        or (forms[place] == "어" and forms[after] in ("주", "드리"))
        or (forms[place].endswith(_REFUSED) and tags[after] == "MAG" and forms[after + 1] in ("하", "되"))
        or (forms[place] == "게" and forms[after] == "되")
        or (forms[place].endswith(QUOTED) and (forms[after], tags[after]) == ("하", "VV"))
    )


def _past_particles(sentence: Segment, place: int) -> int:
    while sentence.tags[place] in _PARTICLES:
        place += 1
    return place
