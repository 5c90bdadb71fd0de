"""The clauses of a Korean text by Kiwi's morphemes: what is done or not done, on what, and who is said to do it.

A shallow reading. A sentence is cut behind every ending of a verb, unless an auxiliary goes on with it: 사지 않기로
했다, 살 수 없다 and 안 산다 are one clause each, and each negates 사. A text without Korean predicates has no clause.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from tasks.corpus.korean import final_consonant
from tasks.measures.korean import segments
from tasks.measures.korean.segments import COPULAS, DUTIES, NOUNS, VERBS, Segment
from tasks.measures.korean.speakers import CALLED, JOINED, TOPIC, Mention, mentions
from tasks.measures.morphemes import SPEAKER, Morpheme, analysed

RIEUL = 8  # the place of ㄹ among final consonants
DENIALS = ("않", "말", "못하")
SELF, YOU, WE, WHO = "self", "you", "we", "who"
_PRONOUNS = {
    "나": SELF, "내": SELF, "저": SELF, "제": SELF, "너": YOU, "네": YOU, "니": YOU, "당신": YOU,
    "우리": WE, "저희": WE, "누구": WHO,
}  # fmt: skip
_AUXILIARIES = {"주": "주", "드리": "드리", "었": "었", "았": "었", "겠": "겠"}
# Say when or how, not what.
_CIRCUMSTANCES = frozenset(
    {"오전", "오후", "오늘", "내일", "모레", "어제", "요즘", "지금", "이번", "다음", "때", "날", "후",
     "뒤", "전", "동안", "정도", "대신", "때문", "반", "미안"}
)  # fmt: skip
# Kiwi has some verbs now as one, now as two; and 빌려주다 turns the deed of 빌리다 around.
_WHOLE = {
    ("빌리", "주"): "빌려주", ("빌리", "드리"): "빌려주", ("알", "보"): "알아보", ("가지", "오"): "가져오",
    ("가지", "가"): "가져가",
}  # fmt: skip
_GROUNDS = ("서", "니까", "으니", "면", "는데", "ᆫ데", "자")  # behind them another may act


class Clause(NamedTuple):
    """One predicate and what it is about; `lemma` is "" where things are only named (간식은?)."""

    lemma: str  # the stem of a verb or adjective; of 준비하다 and 준비를 하다 the noun
    verb: bool  # no adjective, no copula
    negated: bool
    nouns: frozenset[str]  # heads of subject, object and topic, and nouns without a particle
    actors: tuple[str, ...]  # the speakers who are said to act
    person: str  # SELF, YOU, WE or WHO, where a pronoun acts
    called: str  # the speaker whom the sentence calls by name, or ""
    ending: str
    marks: frozenset[str]  # 주 and 드리 (done for somebody), 었, 겠; of its sentence ?, 네 and 아니
    start: int  # in characters of the normalised text


@functools.lru_cache(maxsize=20_000)
def clauses(text: str, names: frozenset[str]) -> tuple[Clause, ...]:
    """Every clause of the text in order; `names` are the speakers that it may speak of."""
    return tuple(clause for sentence in _sentences(text, names) for clause in _read(Segment(sentence)))


def _sentences(text: str, names: frozenset[str]) -> list[list[Morpheme | Mention]]:
    """The morphemes by sentence, with a mention in place of those that it covers, however Kiwi cut the name."""
    waiting = mentions(text, names)[::-1]
    sentences: dict[int, list[Morpheme | Mention]] = {}
    for found in analysed(text):
        items = sentences.setdefault(found.sentence, [])
        while waiting and waiting[-1].end <= found.start:
            waiting.pop()
        if not (waiting and waiting[-1].start < found.end):
            if found.form != SPEAKER and (items or found.form != ":"):  # not what the line says
                items.append(found)
        elif not (items and items[-1] is waiting[-1]):
            items.append(waiting[-1])
    return [items for items in sentences.values() if items]


def _read(sentence: Segment) -> list[Clause]:
    """The sentence's clauses; who acted and what it was about go on into clauses that do not say."""
    called = next((each.name for each in sentence.mentions if each.role == CALLED), "")
    marks, found = _of_sentence(sentence), list[Clause]()
    acting, nouns = (), frozenset[str]()
    gapped: list[Segment] = []
    for segment in segments.cut(sentence):
        if segment.predicate is None and segment.mentions and segments.actors(segment):
            gapped.append(segment)  # 간식은 하준이, 음료는 지영이 산다
            continue
        for each in (*gapped, segment) if segment.predicate is not None else (segment,):
            clause = _clause(each, segment, called, marks, acting)
            if clause.lemma or clause.nouns:
                found.append(clause if clause.nouns else clause._replace(nouns=nouns))
                nouns = found[-1].nouns
        acting, gapped = _goes_on(segment, acting), []
    return found


def _of_sentence(sentence: Segment) -> frozenset[str]:
    marks = {"?"} & set(sentence.forms)
    first = sentence.forms[0]
    if sentence.tags[0] == "IC" or first in ("그럼", "그러면"):
        marks.add("아니" if first.startswith(("아니", "아뇨")) else "네")
    return frozenset(marks)


def _clause(
    about: Segment, segment: Segment, called: str, marks: frozenset[str], acting: tuple[str, ...]
) -> Clause:
    """The predicate of `segment`, with the nouns and actors of `about`."""
    place = segment.predicate
    lemma = "" if place is None else _lemma(segment, place)
    open_, person, actors = _open(segment), _person(about), segments.actors(about)
    if open_ or not (actors or person or "JKS" in about.tags):
        actors = () if open_ else acting
    behind = segment.forms[place:] if place is not None else []
    return Clause(
        lemma=lemma,
        verb=place is not None and (segment.tags[place] in VERBS or segment.forms[place] in DUTIES),
        negated=place is not None and _negated(segment, place),
        nouns=frozenset(_nouns(about)) - {lemma},
        actors=actors,
        person=person,
        called=called,
        ending=segment.ending,
        marks=marks.union(_AUXILIARIES[form] for form in behind if form in _AUXILIARIES),
        start=segment.items[place or 0].start,
    )


def _lemma(segment: Segment, place: int) -> str:
    """The noun of 준비하다, 준비를 하다, 준비 안 하다 and 담당이다; 있 of 없다, 빌려주 of 빌려 주다; else the stem."""
    form = segment.forms[place]
    if form in ("하", "되", "시키") or segment.tags[place] in ("XSV", "XSA", *COPULAS):
        before = place - 1
        while segment.tags[before] in ("JKO", "JX", "MAG", "JKC"):
            before -= 1
        return segment.forms[before] if segment.tags[before] in NOUNS else form
    whole = _WHOLE.get((form, segment.forms[place + 2]))
    if whole or form == "없":
        return whole or "있"
    # Kiwi cannot know whether 산다 is of 사다 or of 살다, nor 간다 of 가다 or 갈다: stems are told apart without ㄹ.
    return form[:-1] + chr(ord(form[-1]) - RIEUL) if final_consonant(form) == RIEUL else form


def _negated(segment: Segment, place: int) -> bool:
    """Whether an odd number of negations stands at the predicate: 안 산다, 사지 않는다, 살 수 없다, 책이 아니다."""
    pairs = list(zip(segment.forms, segment.tags, strict=True))
    count = sum(tag == "MAG" and form in ("안", "못") for form, tag in pairs)
    count += sum(tag == "VX" and form in DENIALS for form, tag in pairs[place:])
    count += sum(form in ("없", "아니") for form, _ in pairs[place:])
    return count % 2 == 1


def _open(segment: Segment) -> bool:
    """Whether it is left open who acts: 취소되다, 환불받다, 정해지다, 사라고 하다, and the 줄 of 어머니에게 줄 향수."""
    place = segment.predicate
    if place is None:
        return False
    if segment.tags[place] in VERBS and _told(segment):
        return True
    made = segment.forms[place] in ("되", "받", "당하") and _lemma(segment, place) != segment.forms[place]
    return made or segment.last_tag == "ETM" or ("지", "VX") in zip(segment.forms, segment.tags, strict=True)


def _told(segment: Segment) -> bool:
    """Whether somebody is told to: 사라고, 사지 말라고, 사 달라고, not 살 거라고. Who says so does not act."""
    return any(
        form in ("라고", "으라고") and segment.tags[place - 1] not in COPULAS
        for place, form in enumerate(segment.forms)
    )


def _nouns(segment: Segment) -> list[str]:
    """Heads with 을, 은, 이 or without a particle, that stand before the predicate; of a duty only the last."""
    end, found = segment.predicate, list[str]()
    for place in range(len(segment.items) if end is None else end):
        tag, after, form = segment.tags[place], segment.tags[place + 1], segment.forms[place]
        thing = tag == "NNB" and form in ("것", "거")  # 매운 것을 못 먹다: a thing, and not every one
        if tag not in NOUNS and tag != "XSN" and not thing:
            continue
        form = segment.forms[place - 1] + form if tag == "XSN" else "것" if thing else form  # 할인 + 권
        inside = after in NOUNS or after in ("XSV", "XSA", "XSN", "NNB", "SN", "JKG", "JKB")
        if not (inside or form.endswith("요일") or form in _CIRCUMSTANCES):
            found.append(form)
    return found[-1:] if end is not None and segment.forms[end] in DUTIES else found


def _goes_on(segment: Segment, acting: tuple[str, ...]) -> tuple[str, ...]:
    """Who acts in the clause behind this one, if that does not say."""
    topics = [each.name for each in segment.mentions if each.role == TOPIC]
    if topics:
        return (*(each.name for each in segment.mentions if each.role == JOINED), topics[-1])
    if segment.last_tag in ("ETM", "ETN") or segment.ending.endswith(_GROUNDS):
        return acting  # 하준이 먹을 도시락, 하준이 아파서 취소하기로 했다
    return segments.actors(segment) or (() if "JKS" in segment.tags or _person(segment) else acting)


def _person(segment: Segment) -> str:
    for place, tag in enumerate(segment.tags):
        if tag == "NP" and segment.forms[place] in _PRONOUNS:
            after = segment.tags[place + 1]
            if after in ("JKS", "JX") or (place == 0 and not after.startswith("J")):
                return _PRONOUNS[segment.forms[place]]
    return ""
