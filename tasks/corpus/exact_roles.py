"""Who does what in a summary, against who does it in the facts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.corpus.exact_clauses import BARE, DATIVE, OWNER, SOURCE, SUBJECT, TOPIC, WITH, Clause
from tasks.corpus.exact_deeds import Reading, invented_deeds, read_deed
from tasks.corpus.exact_outcome import is_deed_clause, names_object
from tasks.corpus.exact_slots import EXTRA_COST, SlotReading
from tasks.corpus.matters import MATTERS, lexicon

_REASONS = {
    "감기": "감기|아파|아프|독감",
    "야근": "야근|늦게까지 일",
    "몸살": "몸살|아파|아프",
    "배탈": "배탈|배가 아|아파|아프",
    "시험": "시험",
    "결혼식": "결혼식|예식",
    "여행": "여행",
}
_LENDS = re.compile(r"빌려 ?[주준줄줬]|대여해 ?[주준줄줬]|건네")
_BORROWS = re.compile(r"빌리|빌린|빌릴|빌려(?! ?[주준줄줬])|대여받|대여하|받")
# Staff may be the subject of what staff do, and a helper the subject of helping.
_STAFF_ACTS = re.compile(
    r"방문|고치|고친|고쳐|수리|수거|환불|돌려|접수|가져|해 ?주|잡아 ?주|안내|제안|와서|오기로"
)
_CAUSES = re.compile(r"^ ?(?:[가-힣]+ )?(?:사정|부탁|제안|요청|도움|일정|일로|일 때문)")
_HELPS = re.compile(r"돕|도와|도움|도운|거들")


@dataclass(frozen=True, slots=True)
class RoleReading:
    """How much of the roles is told (one point each), and the errors as counts."""

    told: float
    attributions: int
    contradictions: int
    inventions: int


def read_roles(clauses: list[Clause], facts: Mapping[str, Any], slots: SlotReading) -> RoleReading:
    """The reading of all roles of the facts, and of people and deeds that are not in them."""
    told, attributions, contradictions = 0.0, 0, 0
    for role in facts["roles"]:
        read = {"deed": read_deed, "reason": _read_reason, "main": _read_main}[role["kind"]]
        credit, wrong, denied = read(clauses, role, facts, slots)
        told, attributions, contradictions = told + credit, attributions + wrong, contradictions + denied
    wrong_people, strangers = _read_people(clauses, facts, slots)
    inventions = strangers + EXTRA_COST * (invented_deeds(clauses, facts) + _invented_reasons(clauses, facts))
    return RoleReading(told, attributions + EXTRA_COST * wrong_people, contradictions, inventions)


def _read_reason(
    clauses: list[Clause], role: Mapping[str, Any], facts: Mapping[str, Any], slots: SlotReading
) -> Reading:
    """Half for the reason, half for whose it is."""
    pattern = re.compile(_REASONS.get(str(role["object"]), str(role["object"])))
    for clause in clauses:
        found = pattern.search(clause.text)
        if not found:
            continue
        place = clause.start + found.start()
        before = [
            p for p in clause.parties if p.end <= place and p.role in (SUBJECT, TOPIC, OWNER, DATIVE, BARE)
        ]
        after = [p for p in clause.parties if p.start > place and p.role in (SUBJECT, TOPIC, OWNER, BARE)]
        names = (before[-1] if before else after[0]).names if before or after else clause.inherited
        if names == (role["doer"],):
            return 1.0, 0, 0
        if not names or role["doer"] in names:
            return 0.5, 0, 0
        return 0.0, 1, 0
    return 0.0, 0, 0


def _read_main(
    clauses: list[Clause], role: Mapping[str, Any], facts: Mapping[str, Any], slots: SlotReading
) -> Reading:
    """For a loan, half for the giver and half for the receiver; else one point for whose plan it is."""
    deeds = [other for other in facts["roles"] if other["kind"] == "deed"]
    of_plan = [clause for clause in clauses if not is_deed_clause(clause, deeds, slots)]
    if not role["to"]:
        named = {
            name for c in of_plan for name in (*c.having(SUBJECT, TOPIC, OWNER, DATIVE, BARE), *c.inherited)
        }
        return (1.0 if role["doer"] in named else 0.0), 0, 0
    for clause in of_plan:
        lends = _LENDS.search(clause.text)
        if not lends and not _BORROWS.search(clause.text):
            continue
        actor, other = clause.subjects(), clause.having(DATIVE, SOURCE) or ()
        if not lends:
            other = other or tuple(n for n in clause.having(OWNER, WITH) if n not in actor)
        giver, receiver = (actor, other) if lends else (other, actor)
        credit, wrong = 0.0, 0
        for names, right in ((giver, role["doer"]), (receiver, role["to"])):
            credit += 0.5 * (names == (right,)) + 0.25 * (right in names and len(names) > 1)
            wrong += bool(names) and right not in names
        return (0.0 if wrong else credit), wrong, 0
    return 0.0, 0, 0


def _read_people(clauses: list[Clause], facts: Mapping[str, Any], slots: SlotReading) -> tuple[int, int]:
    """How many names are put into the plan that are not of it, and units of names nobody ever spoke of."""
    known = set(facts["mentioned"].get("name", ())) | set(facts["speakers"])
    deeds = [role for role in facts["roles"] if role["kind"] == "deed"]
    every = {name for clause in clauses for party in clause.parties for name in party.names}
    outside: set[str] = set()
    for clause in clauses:
        if is_deed_clause(clause, deeds, slots) or not slots.any_in(clause.start, clause.end):
            continue
        staff = set(lexicon.STAFF) if _STAFF_ACTS.search(clause.text) else set()
        helpers = set(facts["speakers"]) if _HELPS.search(clause.text) else set()
        doers = {role["doer"] for role in deeds if names_object(clause.text, role["object"])}
        outside |= _in_plan(clause) - set(facts["people"]) - staff - helpers - doers
    return len(outside & known), len(every - known - outside) + EXTRA_COST * len(outside - known)


def _in_plan(clause: Clause) -> set[str]:
    """The names that the clause puts into the plan; 창민의 사정으로 does not."""
    owners = [
        p
        for p in clause.parties
        if p.role == OWNER and not _CAUSES.match(clause.text[p.end - clause.start :])
    ]
    return set(clause.having(SUBJECT, TOPIC, WITH)) | {name for party in owners for name in party.names}


def _invented_reasons(clauses: list[Clause], facts: Mapping[str, Any]) -> int:
    """Units of reasons that nobody gave; one each where the unit of the true reason is lost as well."""
    has_reason = any(role["kind"] == "reason" for role in facts["roles"])
    spoken = set(facts["mentioned"].get("reason", ()))
    heads = {matter.head for matter in MATTERS if matter.name == facts["matter"]}  # 이사 is none in moving
    text = "".join(clause.text for clause in clauses)
    words = set(lexicon.REASONS if has_reason else lexicon.ILLS) - spoken - heads
    found = sum(bool(re.search(rf"(?<![가-힣]){word}", text)) for word in words)
    return found * (1 if has_reason else EXTRA_COST)
