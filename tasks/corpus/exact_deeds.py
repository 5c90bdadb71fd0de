"""Who takes on which deed in a summary, against who took it on in the dialogue."""

import re
from collections.abc import Mapping
from typing import Any

from tasks.corpus.exact_clauses import BARE, DATIVE, OWNER, SUBJECT, TOPIC, Clause
from tasks.corpus.exact_outcome import is_deed_clause, is_negated, names_object
from tasks.corpus.exact_slots import SlotReading
from tasks.corpus.matters import MATTERS

# How people put each deed; the stem of the generator's verb comes first.
_SAID = {
    "예약": "예약|잡|예매",
    "예매": "예매|예약|끊|사[고기며]|산다",
    "준비": "준비|마련|챙기|챙긴|챙겨|만들",
    "신청": "신청|접수|요청|처리|받",
    "정리": "정리|치우|싸|챙기|챙긴|작성",
    "포장": "포장|싸",
    "챙기": "챙기|챙긴|챙겨|챙길|준비|가져|지참|들고",
    "사": "(?<![가-힣])(?:사|산다|살 )|구입|구매|준비|쏘기|쏜다",
    "가져오": "가져|챙기|챙긴|챙겨|지참|들고|준비",
    "부르": "부르|부른|불러|섭외|예약|호출",
    "보내": "보내|보낸|보냄|전송|발송|전달|부치|부친|올리|돌리",
    "알아보": "알아보|알아본|알아봄|알아볼|알아봐|찾|정하|정한|잡",
    "만들": "만들|만든|제작|준비",
    "찾": "찾|확인|챙기|챙긴|구하",
    "내": "(?<![가-힣])내[기고며]|(?<![가-힣])낸다|(?<![가-힣])낼|(?<![가-힣])냄|부담|지불|결제|계산|지급",
    "받": "받|수령",
    "쓰": "(?<![가-힣])쓰|(?<![가-힣])쓴|(?<![가-힣])쓸|(?<![가-힣])씀|작성|적[기는고]|준비",
}
_SAID_PATTERNS = {verb: re.compile(said) for verb, said in _SAID.items()}
_TAKES = re.compile(r"맡|담당|책임|하기로|한다|할 예정|처리|몫|차례|부탁|도맡|진행")
_HANDS_OVER = re.compile(r"맡기기|맡겼|맡긴|맡겨|부탁(?!받|을 받)|시키기|시켰|요청")
_SHARE = re.compile(r"몫|담당|차례|책임|역할")

Reading = tuple[float, int, int]  # credit, wrong attributions, denials


def read_deed(
    clauses: list[Clause], role: Mapping[str, Any], facts: Mapping[str, Any], slots: SlotReading
) -> Reading:
    """Half for the object, half for the deed; all of it only with the right doer."""
    best, wrong, denied = 0.0, 0, 0
    for number, clause in enumerate(clauses):
        has_object = names_object(clause.text, role["object"])
        has_verb = _does(clauses, number, role["verb"])
        if not has_object and not (has_verb and _means_only(clause, role, facts, slots)):
            continue
        if is_negated(clause.text) and not slots.any_in(clause.start, clause.end):
            denied = 1
            continue
        if not has_verb:
            best = max(best, 0.25)  # the thing is named, but nobody does anything with it
            continue
        said = 1.0 if has_object or role["verb"] == "예매" else 0.5
        doers = _doers(clause, role, facts)
        if doers == (role["doer"],):
            best = max(best, said)
        elif not doers or role["doer"] in doers:
            best = max(best, said / 2)
        else:
            wrong = 1
    return (0.0 if wrong or denied else best), wrong, denied


def _means_only(
    clause: Clause, role: Mapping[str, Any], facts: Mapping[str, Any], slots: SlotReading
) -> bool:
    """True for a clause that names the deed by its verb alone, with no other object and no value."""
    others = [
        r for r in facts["roles"] if r is not role and r["object"] and names_object(clause.text, r["object"])
    ]
    return not others and is_deed_clause(clause, [role], slots)


def _does(clauses: list[Clause], number: int, verb: str) -> bool:
    """True when the clause, or the one that it borrows its predicate from, has the deed's verb."""
    text = clauses[number].text
    while text.rstrip().endswith(",") and number + 1 < len(clauses):
        number += 1
        text += clauses[number].text
    return bool(_SAID_PATTERNS[verb].search(text) or _TAKES.search(text))


def _doers(clause: Clause, role: Mapping[str, Any], facts: Mapping[str, Any]) -> tuple[str, ...]:
    """The names to whom the clause gives the deed."""
    if _HANDS_OVER.search(clause.text) and clause.having(DATIVE):
        return clause.having(DATIVE)
    if _SHARE.search(clause.text) and not clause.having(SUBJECT, TOPIC):
        return clause.having(OWNER, BARE) or clause.inherited
    names = clause.subjects()
    if "각각" in clause.text and len(names) > 1:
        objects = [r["object"] for r in facts["roles"] if names_object(clause.text, r["object"])]
        in_order = sorted(objects, key=clause.text.index)
        if len(in_order) == len(names) and role["object"] in in_order:
            return (names[in_order.index(role["object"])],)
    return names


def invented_deeds(clauses: list[Clause], facts: Mapping[str, Any]) -> int:
    """How many deeds of the matter's vocabulary are told that nobody took on."""
    matter = next((m for m in MATTERS if m.name == facts["matter"]), None)
    if matter is None:
        return 0
    told = {role["object"] for role in facts["roles"]} | {"새 날짜", "다른 사람", "환불"}
    text = "".join(clause.text for clause in clauses)
    objects = {obj for obj, _ in (*matter.deeds, *matter.cancelled_deeds)} - told
    objects = {obj for obj in objects if not any(obj in other for other in told)}
    return sum(bool(re.search(rf"(?<![가-힣]){obj}(?:[은는이가을를도과와]|[ ,]|$)", text)) for obj in objects)
