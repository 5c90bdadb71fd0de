"""The gold reward: a judge that is exact on the grammar of `dialogues`.

A row has W units of fact (6 to 8): one for each scored slot, one for each role (who does what, whose reason,
who lends to whom), and two for the outcome (agreed, changed, cancelled), since a plan told as holding that
fell through misleads more than a wrong hour. Then

    coverage      = units told rightly / W
    contradiction = units told against the dialogue (a value of it in the wrong slot, a false outcome) / W
    invention     = units told of values, people and deeds that the dialogue does not hold / W
    attribution   = units of deeds given to the wrong person, and of people put into a plan not theirs / W
    form          = 1 for whole written sentences, less for lists, speech, fragments, repetition
    length        = 1 between 25 and 90 characters, linearly down to 0 at 5 and at 180

    total = form * length * max(0, coverage - contradiction - invention - attribution)

Every false claim so costs two units: the one that it fails to tell and one more, or two where it stands
beside all that is true. Leaving out costs one. A slot told two ways is not told. A change told as a plain
plan keeps one of the outcome's two units. Values that no sentence makes part of a plan ("about Saturday and
the station") count half.

Coverage, form and length are best at 1; contradiction, invention and attribution are error shares, best at 0.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.corpus.exact_clauses import BARE, Clause, read_clauses
from tasks.corpus.exact_form import form, length
from tasks.corpus.exact_outcome import claimed_outcome
from tasks.corpus.exact_roles import read_roles
from tasks.corpus.exact_slots import SlotReading, read_slots

OUTCOME_UNITS = 2
MOST_READ = 1000  # characters; what is longer has length 0 anyway


@dataclass(frozen=True)
class Verdict:
    """The parts of the score and the score, all between 0 and 1."""

    coverage: float
    contradiction: float
    invention: float
    attribution: float
    form: float
    length: float
    total: float


def judge(summary: str, facts: Mapping[str, Any]) -> Verdict:
    """The verdict on one summary of the dialogue that the facts describe."""
    text = unicodedata.normalize("NFC", summary[:MOST_READ]).strip()
    clauses = read_clauses(text, facts)
    slots = read_slots(text, facts, clauses)
    roles = read_roles(clauses, facts, slots)
    claimed = claimed_outcome(clauses, facts, slots)
    told, outcome_errors = _outcome_units(claimed, facts["outcome"], slots)
    slots_told = sum(slots.told.values()) * (1.0 if claimed else 0.5)
    units = len(facts["slots"]) + len(facts["roles"]) + OUTCOME_UNITS
    coverage = (slots_told + roles.told + told) / units
    contradiction = min(1.0, (slots.contradictions + roles.contradictions + outcome_errors) / units)
    invention = min(1.0, (slots.inventions + roles.inventions) / units)
    attribution = min(1.0, roles.attributions / units)
    fits, shape = length(text), form(text, _bare(slots, clauses, facts, text))
    total = shape * fits * max(0.0, coverage - contradiction - invention - attribution)
    return Verdict(coverage, contradiction, invention, attribution, shape, fits, total)


def _bare(
    slots: SlotReading, clauses: Sequence[Clause], facts: Mapping[str, Any], text: str
) -> list[tuple[int, int]]:
    """Where values, names and objects of deeds stand without a particle of their own."""
    spans = [*slots.spans, *((p.start, p.end) for c in clauses for p in c.parties if p.role == BARE)]
    for role in facts["roles"]:
        place = text.find(f" {role['object']} ") if role["object"] else -1
        spans += [(place + 1, place + 1 + len(role["object"]))] if place >= 0 else []
    return sorted(spans)


def _outcome_units(claimed: str, actual: str, slots: SlotReading) -> tuple[int, int]:
    """Units told and units told falsely, of the two that the outcome counts for."""
    if claimed == actual or (claimed == "kept" and actual == "agreed"):
        return 2, 0
    if not claimed:
        return 0, 0
    if actual == "changed" and claimed == "agreed":  # the plan is right, that it had been another is left out
        return 1, 0
    if actual == "agreed" and claimed == "changed":  # a proposal that was turned down is told as a change
        return 1, 0 if slots.turned_down_told else 1
    if actual == "cancelled" and claimed == "postponed":
        return 1, 0
    return 0, 2
