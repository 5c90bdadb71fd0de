"""The reference summary of a plan: its main sentence and who does what, in varied wording."""

import random
from dataclasses import dataclass

from tasks.corpus.korean import Word, particle
from tasks.corpus.matters import lexicon
from tasks.corpus.matters.matter import Matter


@dataclass(frozen=True)
class Plan:
    """All that a summary tells."""

    matter: Matter
    outcome: str  # agreed, changed, cancelled
    names: dict[str, Word]
    people: tuple[str, ...]  # names of those the plan is about
    value: dict[str, Word]
    changed_slot: str
    old: str
    reason: str
    reason_of: str
    deeds: tuple[tuple[str, str, str], ...]  # (object, verb, doer)


LONG = 70  # characters
_CHANGED = (
    "{people:은} {phrase} {label:을} {old}에서 {new:으로} 바꿨다",
    "{people:은} {phrase} {label:을} {old}에서 {new:으로} 변경했다",
    "{people:은} {phrase} {label:을} {new:으로} 바꾸기로 했다",
    "{people:은} {phrase} {label:을} 원래 {old}에서 {new:으로} 변경했다",
    "{people:은} {phrase} {label:을} {old} 대신 {new:으로} 바꿨다",
    "{people:이} {phrase} {label:을} {new:으로} 변경하기로 했다",
)
_CANCELLED = (
    "{who}의 {reason} 때문에 {phrase:은} 취소됐다",
    "{who:이} {clause}서 {phrase:이} 취소됐다",
    "{phrase:은} {who}의 {reason:으로} 취소됐다",
    "{people:은} {who}의 {reason} 때문에 {phrase:을} 취소하기로 했다",
    "{who}의 {reason:으로} {phrase:이} 무산됐다",
    "{who:이} {clause} {phrase:은} 없던 일이 됐다",
    "{people:은} {who}의 {reason:으로} {phrase:을} 취소했다",
    "{phrase:은} {who:이} {clause}서 취소하기로 했다",
)
_ONE_DEED = (
    "{obj:은} {doer:이} {stem}기로 했다",
    "{doer:이} {obj:을} {stem}기로 했다",
    "{obj:은} {doer:이} {now}다",
    "{doer:이} {obj:을} {now}다",
    "{doer:은} {obj:을} {stem}기로 했다",
    "{obj:은} {doer:이} 맡아 {stem}기로 했다",
)
_TWO_DEEDS = (
    "{doer:이} {obj:을} {stem}고 {doer2:이} {obj2:을} {stem2}기로 했다",
    "{obj:은} {doer:이}, {obj2:은} {doer2:이} 맡기로 했다",
    "{doer:은} {obj:을}, {doer2:은} {obj2:을} 맡는다",
    "{obj:은} {doer:이} {stem}고 {obj2:은} {doer2:이} {now2}다",
)


def tell(plan: Plan, rng: random.Random) -> str:
    """A reference summary that states every scored fact of the plan, long ones seldom."""
    drawn = [_draw(plan, rng)]
    while len(drawn[-1]) > LONG and len(drawn) < 6:
        drawn.append(_draw(plan, rng))
    return min(drawn, key=len) if len(drawn) == 6 else drawn[-1]


def _draw(plan: Plan, rng: random.Random) -> str:
    main, deeds = _main(plan, rng), _deeds(plan, rng)
    style = rng.random()
    if style < 0.6:
        return f"{main[:-1]}고, {deeds}."
    if style < 0.75:
        return f"{main[:-1]}으며, {deeds}."
    return f"{main}. {deeds}."


def _main(plan: Plan, rng: random.Random) -> str:
    if plan.outcome == "cancelled":
        words = {
            "phrase": _phrase(plan, "cancelled"),
            "who": Word(plan.reason_of),
            "reason": Word(plan.reason),
        }
        words |= {"clause": Word(lexicon.REASONS[plan.reason]), "people": _people(plan)}
        return rng.choice(_CANCELLED).format(**words)
    if plan.outcome == "changed" and rng.random() < 0.6:
        slot = plan.changed_slot
        words = {
            "people": _people(plan),
            "phrase": _phrase(plan, slot),
            "label": Word(plan.matter.labels[slot]),
        }
        words |= {"old": Word(plan.old), "new": plan.value[slot]}
        return rng.choice(_CHANGED).format(**words)
    value = dict(plan.value)
    forms = {key: Word(form) for key, form in plan.matter.forms.get(value.get("item", ""), {}).items()}
    if plan.outcome == "changed":
        value[plan.changed_slot] = Word(f"{plan.old} 대신 {value[plan.changed_slot]}")
    return rng.choice(plan.matter.agreed).format(**plan.names, **value, **forms, people=_people(plan))


def _people(plan: Plan) -> Word:
    """The people joined as one noun: 민수와 지영, or 민수와 지영, 하은."""
    first, *rest = plan.people
    return Word(first + particle(first, "과") + " " + ", ".join(rest) if rest else first)


def _phrase(plan: Plan, key: str) -> Word:
    """The noun phrase of the plan without the slot that changed."""
    matter = plan.matter
    if key in matter.phrases:
        return Word(matter.phrases[key].format(**plan.names, **plan.value))
    parts = matter.cancelled_parts if key == "cancelled" else matter.parts
    return Word(" ".join([*(plan.value[part] for part in parts if part != key), matter.head]))


def _deeds(plan: Plan, rng: random.Random) -> str:
    words: dict[str, Word] = {}
    for suffix, (obj, verb, doer) in zip(("", "2"), plan.deeds, strict=False):
        forms = lexicon.VERBS[verb]
        words |= {f"obj{suffix}": Word(obj), f"doer{suffix}": Word(doer)}
        words |= {f"stem{suffix}": Word(forms.stem), f"now{suffix}": Word(forms.now)}
    return rng.choice(_TWO_DEEDS if len(plan.deeds) == 2 else _ONE_DEED).format(**words)
