"""Which values a summary asserts, which it names only as given up, and how both fit the facts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.corpus.exact_clauses import OWNER, SUBJECT, TOPIC, Clause
from tasks.corpus.exact_values import Value, canonical, foreign_items, read_values, same

# 오후 3시 대신, 3시가 아니라, 3시 말고
_INSTEAD = re.compile(r"^(?:에서|에|으로|로)?(?:이|가)? ?(?:대신|말고|아니라|아닌)")
_FROM_TO = re.compile(
    r"^(?:에서|을|를|이던 것을|였던 것을|이었던 것을|짜리에서|짜리를)[^.,]{0,8}$|^ ?(?:→|->|=>) ?$"
)
_TO = re.compile(r"^(?:짜리)?(?:으로|로)|^[ .]|^$")
_WAS = re.compile(
    r"^(?:이었|였|이)던|^(?:이었|였)(?:으나|지만|는데|다가)"
    r"|^(?:에|에서|으로|로)?[가-힣 ]{0,14}"
    r"(?:려던|려다|려고 했|기로 했던|정했던|잡았던|잡혔던|예정이던|예정이었|예정됐던|잡힌)"
)
_ONCE = re.compile(r"(?:원래|당초|기존|애초|처음|본래)[^,.]{0,12}$")
_NOT_POSSIBLE = re.compile(
    r"^(?:에는|에|은|는|이|가)? ?(?:안 되|안 돼|안 된|어려|어렵|힘들|불가|곤란|문을 닫|자리가 없|공사)"
)
# A change that did not come about: 5시로 바꾸지 않기로, 5시로 바꾸자는 제안
_REFUSED = re.compile(
    r"^(?:으로|로|에)?(?:의)? ?(?:바꾸|변경하|변경되|변경|옮기|미루|앞당기|늦추)"
    r"(?:지는?|자는|자고|려다|려던|려는|려고|려) ?(?:않|못|말|제안|요청|의견|했지만|했으나|$)?"
)
_TURNING = re.compile(r"(?:다가|지만|으나|데),? ?$")
_STAYS_AWAY = re.compile(r"빠지|빠졌|빠진|불참|못 (?:오|온|가|간|와)|참석하지|함께하지|쉬기로|쉰다")

# A wrong value costs two units, the one it does not tell and one more; where none is lost, two more.
EXTRA_COST = 2


@dataclass
class SlotReading:
    """What the summary says about the slots; shares of errors come as counts."""

    told: dict[str, bool] = field(default_factory=dict)  # scored slot -> told, and told one way only
    contradictions: int = 0
    inventions: int = 0
    change_told: bool = False  # the old value is named as given up
    turned_down_told: bool = False  # a value that was turned down is named as given up
    spans: tuple[tuple[int, int], ...] = ()  # where the values stand

    def any_in(self, start: int, end: int) -> bool:
        """True when a value stands between the two positions."""
        return any(start <= place < end for place, _ in self.spans)


def read_slots(text: str, facts: Mapping[str, Any], clauses: list[Clause]) -> SlotReading:
    """The reading of every value in the text against the facts."""
    aside = _asides(clauses, facts)
    values = [v for v in read_values(text, facts) if not any(start <= v.start < end for start, end in aside)]
    reading = SlotReading(spans=tuple((value.start, value.end) for value in values))
    by_kind: dict[str, list[Value]] = {kind: [] for kind in facts["slots"]}
    for value in values:
        by_kind.setdefault(value.kind, []).append(value)
    for kind, named in by_kind.items():
        _read_kind(kind, named, text, facts, clauses, reading)
    reading.inventions += len(set(foreign_items(text, facts)))
    return reading


def _read_kind(
    kind: str,
    named: list[Value],
    text: str,
    facts: Mapping[str, Any],
    clauses: list[Clause],
    reading: SlotReading,
) -> None:
    target = canonical(kind, facts["slots"][kind]) if kind in facts["slots"] else None
    given_up = [canonical(kind, facts["old"][kind])] if kind in facts["old"] else []
    turned_down = [canonical(kind, word) for word in facts["rejected"].get(kind, ())]
    extra = [canonical(kind, facts["extra"][kind])] if kind in facts["extra"] else []
    spoken = [canonical(kind, word) for word in facts["mentioned"].get(kind, ())]
    right, wrong = False, []
    for value in named:
        if _REFUSED.match(text[value.end : value.end + 24]):
            if not _among(value.value, [*spoken, *given_up, *turned_down]):
                wrong.append(value.value)
            continue
        former = _is_former(value, named, text, clauses)
        if former and _among(value.value, given_up):
            reading.change_told = True
        elif former and _among(value.value, turned_down):
            reading.turned_down_told = True
        elif target is not None and same(value.value, target):
            right = right or not former
            reading.contradictions += former  # what was agreed is told as given up
        elif not _among(value.value, extra) and not _among(value.value, wrong):
            wrong.append(value.value)
    false = sum(_among(value, [*spoken, *given_up, *turned_down]) for value in wrong)
    cost = 1 if kind in facts["slots"] else EXTRA_COST
    reading.contradictions += cost * false
    reading.inventions += cost * (len(wrong) - false)
    if kind in facts["slots"]:
        reading.told[kind] = right and not wrong


def _is_former(value: Value, named: list[Value], text: str, clauses: list[Clause]) -> bool:
    """True when the value is named as given up for another one of its kind."""
    others = [other for other in named if not same(other.value, value.value)]
    if not others:
        return False
    after = text[value.end : value.end + 24]
    if _INSTEAD.match(after) or _WAS.match(after) or _NOT_POSSIBLE.match(after):
        return True
    following = next((other for other in others if other.start > value.start), None)
    if following is None:
        return False
    if _ONCE.search(text[max(0, value.start - 20) : value.start]):
        return True
    if _FROM_TO.match(text[value.end : following.start]) and _TO.match(text[following.end :]):
        return True
    clause = next((c for c in clauses if c.start <= value.start < c.end), None)
    return clause is not None and following.start >= clause.end and bool(_TURNING.search(clause.text))


def _asides(clauses: list[Clause], facts: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Where the text speaks of someone who stays away: their day and place are not the plan's."""
    spans, since = [], 0
    for clause in clauses:
        own = clause.having(SUBJECT, TOPIC, OWNER)
        # 하준은 화요일에 일이 있어서 / 빠진다: what is aside begins where 하준 comes in
        since = clause.start if own else since
        actors = own or clause.inherited
        if actors and not set(actors) & set(facts["people"]) and _STAYS_AWAY.search(clause.text):
            spans.append((since, clause.end))
    return spans


def _among(value: Any, values: list[Any]) -> bool:
    return any(same(value, other) for other in values)
