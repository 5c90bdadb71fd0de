"""What one kind of matter brings to the grammar; all else (phases, wordings) is shared."""

from dataclasses import dataclass, field

from tasks.corpus.matters import lexicon

Opening = tuple[tuple[str, str], ...]  # (speaker key "a" or "b", template) in order


@dataclass(frozen=True, eq=False)
class Matter:
    """One kind of matter: its slots, its openings, its deeds and its sentences."""

    name: str
    head: str  # the noun of the plan: 약속, 여행, 예약
    slots: dict[str, tuple[str, ...]]  # slot -> the values it may take
    openings: dict[str, tuple[Opening, ...]]  # register ("casual", "polite") -> openings
    stages: tuple[str, ...]  # settled after the opening, in order; "when" settles day and time together
    counters: tuple[str, ...]  # slots of the opening that may be turned down at once
    changes: tuple[str, ...]  # slots that may change after they were agreed
    labels: dict[str, str]  # slot -> its name in a sentence: 시간, 장소
    parts: tuple[str, ...]  # slots of the noun phrase "토요일 강남역 영화 약속", in order
    cancelled_parts: tuple[str, ...]  # the same for a plan that fell through
    agreed: tuple[str, ...]  # main sentences, each ending in a past tense
    deeds: tuple[tuple[str, str], ...]  # (object, verb) of who does what
    cancelled_deeds: tuple[tuple[str, str], ...]
    staff: str = ""  # the label of speaker b where b serves a customer
    alone: bool = False  # True where speaker a alone is the one the sentence is about
    main: tuple[str, str, str] | None = None  # (verb, doer key, receiver key), where who does it is scored
    deed_count: int = 1
    phrases: dict[str, str] = field(default_factory=dict)  # changed slot or "cancelled" -> noun phrase
    forms: dict[str, dict[str, str]] = field(default_factory=dict)  # item -> extra words for the templates
    reasons: tuple[str, ...] = lexicon.ILLS  # why a plan may fall through


# Lists that many matters take their slots from.
DAYS = lexicon.WEEKDAYS
SOON = lexicon.WEEKDAYS + lexicon.RELATIVE_DAYS[1:]
DATES = lexicon.DATES
HOURS = lexicon.HOURS
