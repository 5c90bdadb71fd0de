"""What a summary claims became of the plan: agreed, changed, cancelled, or nothing at all."""

import re
from collections.abc import Mapping
from typing import Any

from tasks.corpus.exact_clauses import Clause
from tasks.corpus.exact_slots import SlotReading

_CANCEL = re.compile(
    r"취소|무산|없던 일|없는 일|백지화|[을를은는이가] (?:접기|접었|접는|접고)"
    r"|그만두|그만뒀|포기|깨졌|물거품|결렬|철회"
)
_CHANGE = re.compile(
    r"바꾸|바꿨|바꿔|바꾼|바꿀|바뀌|바뀐|바뀔|변경|앞당|당겨|당겼|늦추|늦춰|늦췄|조정|교체|대체|수정"
)
_POSTPONE = re.compile(r"미루|미뤄|미뤘|미룬|연기(?:하|했|됐|되)")
_MOVE = re.compile(r"옮기|옮겨|옮겼|옮긴")
_MOVE_OF_PLAN = re.compile(
    r"(?:시간|날짜|일정|날|장소|시각|출발|약속|회의)(?:을|를)[^.]{0,30}(?:옮기|옮겨|옮겼)"
)
# What takes a claim back: 취소하지 않고, 바꾸려다, 변경 없이, 취소하자는 말
_NOT_SO = re.compile(
    r"^(?:는|은|를|을|도)? ?(?:하|되|시키)?지(?:는|도)? ?(?:않|못|말)"
    r"|^(?:하|되)?(?:려다|려 했|려고|려던|자고|자는|자던)|^(?:할|될)? ?(?:까|뻔)|^ ?없이|^(?:은|는|이|도) 없"
    r"|^(?:을|를)? ?(?:고민|고려|제안|물어|요청했지만|원했지만)|^ ?(?:이야기|얘기|말)(?:이|가|도|은|는)"
)
_NEGATED = re.compile(
    r"지(?:는|도)? ?(?:않|못|말)[가-힣]{0,2}(?:기로| 됐|게 됐|게 되|는다|았다|했다|을 예정|고|으며|아)"
    r"|(?<![가-힣])(?:안|못) ?[가-힣]{1,6}(?:기로|게 됐|게 되|는다|한다|간다|난다|했다|았다|었다)"
)
# A sentence that only talks about things, or only names one (날짜는 토요일이다), tells no plan.
_ONLY_TALKS = re.compile(
    r"(?:이야기|얘기|대화|의논|논의|상의|말|언급|고민|질문|문의)(?:를|을)? ?(?:하|했|나누|나눴|한다)"
)
_ONLY_NAMES = re.compile(r"(?:이다|이고|이며|이었다|였다)[.,!? ]*$")
_HEAD = re.compile(
    r"(?:약속|여행|예약|진료|회의|반품|수리|이사|선물|주문|수거|방문|배달|출발|대여)[^.,]{0,6}(?:은|는) "
)
_SENTENCE_ENDS = re.compile(r"[.!?\n]\s*$")
_ENDED = re.compile(r"(?:다|고|며|서|도록|지만|데|나|음|함|임|됨|예정|요|로|계획|약속)[.,!? ]*$")


def claimed_outcome(clauses: list[Clause], facts: Mapping[str, Any], slots: SlotReading) -> str:
    """agreed, changed, kept (a change denied), postponed, cancelled, or empty where no plan is told."""
    deeds = [role for role in facts["roles"] if role["kind"] == "deed"]
    cancelled = changed = postponed = kept = agreed = has_value = False
    for clause in clauses:
        text, of_plan = clause.text, not is_deed_clause(clause, deeds, slots)
        has_value = has_value or slots.any_in(clause.start, clause.end)
        rest, hits = _strip_taken_back(text, _CANCEL)
        cancelled = cancelled or hits
        before = rest
        rest, hits = _strip_taken_back(rest, _CHANGE)
        changed = changed or (hits and of_plan)
        kept = kept or (of_plan and not hits and len(rest) < len(before))
        rest, hits = _strip_taken_back(rest, _POSTPONE)
        postponed = postponed or (hits and of_plan)
        moves = _MOVE_OF_PLAN if facts["matter"] == "moving" else _MOVE
        changed = changed or (of_plan and bool(moves.search(rest)))
        if of_plan:
            cancelled = cancelled or bool(_NEGATED.search(rest))
            agreed = agreed or (has_value and _tells_plan(text))
        has_value = has_value and not _SENTENCE_ENDS.search(text)
    if cancelled:
        return "cancelled"
    if kept and not changed:
        return "kept"
    if changed or slots.change_told:
        return "changed"
    if postponed:
        return "changed" if facts["outcome"] == "changed" else "postponed"
    return "agreed" if agreed else ""


def _tells_plan(text: str) -> bool:
    """True for a clause whose verb makes its values part of a plan."""
    if not _ENDED.search(text) or _ONLY_TALKS.search(text):
        return False
    return not _ONLY_NAMES.search(text) or bool(_HEAD.search(text))


def is_deed_clause(clause: Clause, deeds: list[Mapping[str, Any]], slots: SlotReading) -> bool:
    """True for a clause on who does what rather than on the plan itself."""
    has_value = slots.any_in(clause.start, clause.end)
    named = any(names_object(clause.text, role["object"]) for role in deeds)
    done = any(len(role["verb"]) > 1 and role["verb"] in clause.text for role in deeds)
    return not has_value and (named or done)


def names_object(text: str, word: str) -> bool:
    """True when the text names the object as a word of its own, not inside another (표 in 발표)."""
    return re.search(rf"(?<![가-힣]){re.escape(word)}", text) is not None


def is_negated(text: str) -> bool:
    """True when the clause says that something is not done."""
    return _NEGATED.search(text) is not None


def _strip_taken_back(text: str, pattern: re.Pattern[str]) -> tuple[str, bool]:
    """The text without the claims that it takes back, and whether one claim stands."""
    stands = False
    rest = text
    for m in pattern.finditer(text):
        taken_back = _NOT_SO.match(text[m.end() :])
        if taken_back:
            rest = rest.replace(m.group() + taken_back.group(), " ")
        else:
            stands = True
    return rest, stands
