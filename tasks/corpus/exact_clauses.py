"""The clauses of a summary, and in each the people with the part that their particle gives them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from tasks.corpus.matters import lexicon

TOPIC, SUBJECT, DATIVE, SOURCE, WITH, OWNER, OBJECT, BARE, DENIED = (
    "topic", "subject", "dative", "source", "with", "owner", "object", "bare", "denied",
)  # fmt: skip
_PARTICLES = {
    TOPIC: "이는|은|는",
    SUBJECT: "에 의해|이가|께서|가|이|도|만",
    SOURCE: "이에게서|에게서|이한테서|한테서|으로부터|로부터",
    DATIVE: "이에게|에게|이한테|한테|께|더러",
    WITH: "이하고|하고|이랑|랑|이와|와|과",
    OWNER: "이네|이의|네|의",
    OBJECT: "이를|을|를",
}
_ROLE_OF = {form: role for role, forms in _PARTICLES.items() for form in forms.split("|")}
_FORMS = "|".join(sorted((re.escape(form) for form in _ROLE_OF), key=len, reverse=True))
_COPULA = r"이다|이고|이며|이었다|였다|으로 정|로 정|으로 결|로 결"
_DENIED = re.compile(r"^(?:이|가)? ?(?:아니라|아닌|말고|대신)")
_GATHERED = re.compile(r"^,? (?:두|세|네) ?(?:사람|친구|명)(?:은|는|이|가)|^,? [둘셋](?:은|는|이|이서)")
_SENTENCE_END = re.compile(r"[.!?。\n]+\s*")
# A verb form that ends a clause; particles that look alike (에서, 께서) and some nouns are not verbs.
_CONNECTIVE = re.compile(
    r"(?:(?<!냉장)(?<!신)(?<!재)고|며|지만|[는은인던]데|으나|다가|(?<![에게테께])서)(?=[ ,])"
)
_AFTER_COMMA = re.compile(r"(?:을|를),")


@dataclass(frozen=True, slots=True)
class Party:
    """People who share one part in a clause."""

    names: tuple[str, ...]
    role: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Clause:
    """A stretch of the summary with one predicate, and its people."""

    text: str
    start: int
    end: int
    parties: tuple[Party, ...]
    inherited: tuple[str, ...]  # the topic or subject of the last clause that had one

    def subjects(self) -> tuple[str, ...]:
        """The names that act: those with 이/가 before those with 은/는, else the inherited ones."""
        for role in (SUBJECT, TOPIC):
            for party in self.parties:
                if party.role == role:
                    return party.names
        return self.inherited

    def having(self, *roles: str) -> tuple[str, ...]:
        """All names of the clause in one of the roles."""
        return tuple(name for party in self.parties if party.role in roles for name in party.names)


def read_clauses(text: str, facts: Mapping[str, Any]) -> list[Clause]:
    """The clauses of the text in order."""
    parties = _parties(text, facts)
    cuts = _cuts(text, parties)
    clauses: list[Clause] = []
    inherited: tuple[str, ...] = ()
    for start, end in pairwise(cuts):
        inside = tuple(party for party in parties if start <= party.start < end)
        clauses.append(Clause(text[start:end], start, end, inside, inherited))
        heads = [p.names for role in (TOPIC, SUBJECT) for p in inside if p.role == role]
        inherited = heads[0] if heads else inherited
    return clauses


def _cuts(text: str, parties: list[Party]) -> list[int]:
    """The positions where clauses begin and end."""
    cuts = {0, len(text)}
    cuts |= {m.end() for m in _SENTENCE_END.finditer(text)}
    names = [(party.start, party.end) for party in parties]
    for m in _CONNECTIVE.finditer(text):
        if not any(start <= m.start() < end for start, end in names):  # 민수하고 is no verb
            cuts.add(m.end())
    cuts |= {m.end() for m in _AFTER_COMMA.finditer(text)}
    cuts |= {p.end + 1 for p in parties if p.role in (SUBJECT, TOPIC) and text[p.end : p.end + 1] == ","}
    return sorted(cut for cut in cuts if cut <= len(text))


def _parties(text: str, facts: Mapping[str, Any]) -> list[Party]:
    """The people named, those joined by 와, 과 or a comma taken together."""
    single: list[Party] = []
    for m in _name_pattern(tuple(facts["mentioned"].get("name", ()))).finditer(text):
        role = _ROLE_OF.get(m["particle"] or "", SUBJECT if m["copula"] else BARE)
        after = text[m.end("name") :]
        if _DENIED.match(after):
            role = DENIED
        elif role == BARE and _GATHERED.match(after):
            role = TOPIC
        single.append(Party((m["name"],), role, m.start(), m.end()))
    joined: list[Party] = []
    for party in single:
        before = joined[-1] if joined else None
        if before and before.role in (WITH, BARE) and text[before.end : party.start].strip(" ,·및") == "":
            joined[-1] = Party(before.names + party.names, party.role, before.start, party.end)
        else:
            joined.append(party)
    return joined


@lru_cache(maxsize=1024)
def _name_pattern(own: tuple[str, ...]) -> re.Pattern[str]:
    names = sorted({*lexicon.NAMES, *lexicon.STAFF, *own}, key=len, reverse=True)
    return re.compile(
        rf"(?<![가-힣])(?P<name>{'|'.join(map(re.escape, names))})(?: ?씨|님)?"
        rf"(?:(?P<copula>{_COPULA})|(?P<particle>{_FORMS})(?![가-힣])|(?![가-힣]))"
    )
