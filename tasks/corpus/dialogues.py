"""Seeded Korean everyday dialogues, each with a reference summary and the facts that a judge needs."""

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.corpus.korean import Word, particle
from tasks.corpus.matters import MATTERS, favours, lexicon, talk
from tasks.corpus.matters.matter import Matter
from tasks.corpus.matters.mentions import mentioned
from tasks.corpus.matters.scene import Scene
from tasks.corpus.matters.telling import Plan, tell

OUTCOMES = ("agreed", "changed", "cancelled")
OUTCOME_WEIGHTS = (50, 28, 22)
# How often each complication comes; together they touch more than half of the rows.
SMALL_TALK, COUNTER, THIRD_SPEAKER, REFUSED, RECAP, CLOSING = 0.3, 0.1, 0.2, 0.15, 0.4, 0.25
MOST_TURNS, MOST_CHARACTERS = 14, 280
TURNED_DOWN = (0, 0, 0, 0, 1, 1)  # how many proposals fail before one holds

Deed = tuple[str, str, str]  # object, verb, doer


@dataclass(frozen=True)
class Dialogue:
    """One row: what was said, a reference summary, and the facts."""

    id: str
    matter: str
    turns: tuple[tuple[str, str], ...]
    summary: str
    facts: dict[str, Any]

    @property
    def document(self) -> str:
        """The turns as lines `이름: 말`."""
        return "\n".join(f"{speaker}: {text}" for speaker, text in self.turns)


def generate(seed: int, count: int, recap: float = RECAP) -> list[Dialogue]:
    """`count` dialogues, every kind of matter equally often; row i depends on seed, i and recap alone.

    recap: share of the dialogues in which someone says at the end once more what holds.
    """
    return [_dialogue(seed, index, recap) for index in range(count)]


def grammar_sha256() -> str:
    """The hash over the source of every file that shapes the dialogues, their summaries and facts."""
    here = Path(__file__).parent
    files = sorted([Path(__file__), here / "korean.py", *(here / "matters").glob("*.py")])
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _dialogue(seed: int, index: int, recap: float) -> Dialogue:
    order = list(MATTERS)
    random.Random(f"matters {seed} {index // len(order)}").shuffle(order)
    matter = order[index % len(order)]
    rng = random.Random(f"dialogue {seed} {index}")
    outcome = rng.choices(OUTCOMES, OUTCOME_WEIGHTS)[0]
    while True:  # the outcome is drawn before, so that long outcomes are not thinned out
        scene, plan = _play(matter, outcome, recap, rng)
        length = sum(len(speaker) + len(text) + 3 for speaker, text in scene.turns)
        if 4 <= len(scene.turns) <= MOST_TURNS and length <= MOST_CHARACTERS:
            break
    summary = tell(plan, rng)
    return Dialogue(
        f"dialogue-{seed}-{index:06d}", matter.name, tuple(scene.turns), summary, _facts(plan, scene)
    )


def _play(matter: Matter, outcome: str, recap: float, rng: random.Random) -> tuple[Scene, Plan]:
    """A dialogue spoken to its end, and the plan that came out of it."""
    scene = _open(matter, rng)
    _settle(scene)
    third = _third(scene)
    deeds = () if outcome == "cancelled" else _deeds(scene, third)
    return scene, _end(scene, outcome, recap, deeds, third)


def _open(matter: Matter, rng: random.Random) -> Scene:
    """A scene with its cast and first values, after the small talk and the opening."""
    register = rng.choice(list(matter.openings))
    a, b, c, friend = rng.sample(lexicon.NAMES, 4)
    names = {"a": Word(a), "b": Word(matter.staff or b), "c": Word(c), "friend": Word(friend)}
    value = {slot: Word(rng.choice(values)) for slot, values in matter.slots.items()}
    scene = Scene(rng, matter, register, names, value)
    if rng.random() < SMALL_TALK:
        x = "a" if matter.staff else rng.choice("ab")
        lines = rng.choice(talk.SMALL_TALK["staff" if matter.staff else register])
        scene.exchange(lines, {"x": x, "y": _other(x)}, **scene.stray())
    opening = rng.choice(matter.openings[register])
    slot = rng.choice(matter.counters) if matter.counters and rng.random() < COUNTER else ""
    for number, (key, template) in enumerate(opening):
        scene.say(key, template)
        if slot and f"{{{slot}" in template and not any("{" in later for _, later in opening[number + 1 :]):
            scene.turn_down(slot, _other(key))  # in place of the acceptance that would follow
            scene.say(key, rng.choice(talk.ACCEPT[register]), n=scene.value[slot])
            break
    return scene


def _other(key: str) -> str:
    return "a" if key == "b" else "b"


def _settle(scene: Scene) -> None:
    """Settles each stage: asked, proposed, turned down up to twice, accepted."""
    rng, register = scene.rng, scene.register
    for stage in scene.matter.stages:
        proposer = "b" if scene.matter.staff else rng.choice("ab")
        if scene.last_speaker() != scene.names[proposer]:
            scene.say(_other(proposer), rng.choice(talk.ASK[register][stage]))
        slots = ("day", "time") if stage == "when" else (stage,)
        value = Word(" ".join(scene.value[slot] for slot in slots))
        scene.say(proposer, rng.choice(talk.PROPOSE["staff" if scene.matter.staff else register]), v=value)
        speaker, last = _other(proposer), slots[-1]
        for _ in range(rng.choice(TURNED_DOWN)):
            last = rng.choice(slots)
            scene.turn_down(last, speaker)
            speaker = _other(speaker)
        scene.say(speaker, rng.choice(talk.ACCEPT[register]), n=scene.value[last])


def _third(scene: Scene) -> bool:
    """True when a third speaker joins; at times one only says that they stay away."""
    if scene.matter.staff or scene.rng.random() > THIRD_SPEAKER:
        return False
    if scene.matter.alone or scene.matter.main or scene.rng.random() < 0.5:
        scene.say("c", scene.rng.choice(talk.STAYS_AWAY[scene.register]), **scene.stray())
        return False
    scene.say("c", scene.rng.choice(talk.JOINS[scene.register]))
    scene.people.append("c")
    return True


def _deeds(scene: Scene, third: bool, cancelled: bool = False) -> tuple[Deed, ...]:
    """The deeds that were handed out in speech."""
    matter, rng = scene.matter, scene.rng
    chosen = (
        [rng.choice(matter.cancelled_deeds)] if cancelled else rng.sample(matter.deeds, matter.deed_count)
    )
    order = rng.sample("ab", 2)
    done: list[Deed] = []
    for obj, verb in chosen:
        forms = lexicon.VERBS[verb]
        cast, table = dict(zip("xy", order, strict=True)), favours.DEEDS
        if third and rng.random() < 0.6:
            cast, table = {**cast, "z": "c"}, favours.DEEDS_OF_THREE
        role = rng.choice(list(table[scene.register]))
        if done and str(scene.names[cast[role]]) == done[0][2]:
            role = "y" if role == "x" else "x"  # two deeds go to two people, so that they can be confused
        lines = rng.choice(table[scene.register][role])
        scene.exchange(lines, cast, obj=obj, will=forms.will, please=forms.please)
        done.append((obj, verb, str(scene.names[cast[role]])))
    return tuple(done)


def _end(scene: Scene, outcome: str, recap: float, deeds: tuple[Deed, ...], third: bool) -> Plan:
    """The plan as it stands after a change, a cancellation, a refused one, or none."""
    matter, rng, register = scene.matter, scene.rng, scene.register
    x = "a" if matter.staff else rng.choice("ab")
    changed, old, reason = "", "", ""
    if outcome == "cancelled":
        x, reason = _cancel(scene)
        deeds = _deeds(scene, third, cancelled=True)
    elif outcome == "changed":
        changed = rng.choice(matter.changes)
        old, new = str(scene.value[changed]), scene.another(changed)
        x = "b" if matter.staff and changed == "amount" else x  # the price is the staff's to change
        why = rng.choice(talk.WHY_CHANGE[register][changed])
        scene.exchange(rng.choice(talk.CHANGE[register]), {"x": x, "y": _other(x)}, v=old, n=new, why=why)
        scene.value[changed] = new
    elif rng.random() < REFUSED:
        _refuse(scene, x)
    if rng.random() < recap:
        _recap(scene, x, outcome, deeds)
    if rng.random() < CLOSING:
        closing = talk.CLOSING_CANCELLED if outcome == "cancelled" else talk.CLOSING
        scene.exchange(rng.choice(closing[register]), {"x": x, "y": _other(x)})
    one = matter.alone or (matter.main and outcome == "changed")
    return Plan(
        matter=matter,
        outcome=outcome,
        names=scene.names,
        people=tuple(str(scene.names[key]) for key in (["a"] if one else scene.people)),
        value=dict(scene.value),
        changed_slot=changed,
        old=old,
        reason=reason,
        reason_of=str(scene.names[x]) if reason else "",
        deeds=deeds,
    )


def _cancel(scene: Scene) -> tuple[str, str]:
    """The key of the one because of whom the plan falls through, and the reason."""
    rng, register = scene.rng, scene.register
    last_is_a = scene.last_speaker() == scene.names["a"]
    x = "a" if scene.matter.alone or not last_is_a else "b"
    if last_is_a and x == "a":  # nobody accepts and gives up in one breath
        scene.say("b", "네, 알겠습니다." if register == "polite" else "응, 알았어.")
    reason = rng.choice(scene.matter.reasons)
    scene.exchange(
        rng.choice(talk.CANCEL[register]), {"x": x, "y": _other(x)}, clause=lexicon.REASONS[reason]
    )
    return x, reason


def _recap(scene: Scene, x: str, outcome: str, deeds: tuple[Deed, ...]) -> None:
    """Someone repeats what holds now, as people do before they part."""
    matter = scene.matter
    slots = matter.cancelled_parts if outcome == "cancelled" else matter.parts
    plan = " ".join([*(scene.value[slot] for slot in slots), matter.head])
    cast = {"x": x, "y": _other(x)}
    tasks = ", ".join(f"{obj}{particle(obj, '은')} {doer} 담당" for obj, _, doer in deeds)
    end = "cancelled" if outcome == "cancelled" else "agreed"
    scene.exchange(scene.rng.choice(talk.RECAP[scene.register][end]), cast, plan=plan, tasks=tasks)


def _refuse(scene: Scene, x: str) -> None:
    """Someone asks for a change or thinks of giving up, and all stays as it was."""
    cast, rng, register = {"x": x, "y": _other(x)}, scene.rng, scene.register
    if rng.random() < 0.4:
        scene.exchange(rng.choice(talk.CANCEL_REFUSED["staff" if scene.matter.staff else register]), cast)
        return
    slot = rng.choice(scene.matter.changes)
    words = {"v": scene.value[slot], "n": scene.another(slot)}
    scene.exchange(rng.choice(talk.CHANGE_REFUSED[register]), cast, **words)


def _facts(plan: Plan, scene: Scene) -> dict[str, Any]:
    """What the judge needs: the scored slots and roles, and all that may be confused with them."""
    matter = plan.matter
    scored = matter.cancelled_parts if plan.outcome == "cancelled" else tuple(matter.slots)
    roles = [{"kind": "deed", "verb": v, "object": o, "doer": d, "to": ""} for o, v, d in plan.deeds]
    if plan.reason:
        roles.append({"kind": "reason", "verb": "", "object": plan.reason, "doer": plan.reason_of, "to": ""})
    elif matter.main:
        verb, doer, to = matter.main
        names = {**{key: str(name) for key, name in plan.names.items()}, "": ""}
        roles.append({"kind": "main", "verb": verb, "object": "", "doer": names[doer], "to": names[to]})
    return {
        "matter": matter.name,
        "outcome": plan.outcome,
        "slots": {slot: str(plan.value[slot]) for slot in scored},
        "extra": {slot: str(value) for slot, value in plan.value.items() if slot not in scored},
        "old": {plan.changed_slot: plan.old} if plan.changed_slot else {},
        "rejected": scene.rejected,
        "roles": roles,
        "people": [str(scene.names[key]) for key in (["a"] if matter.alone else scene.people)],
        "speakers": list(dict.fromkeys(speaker for speaker, _ in scene.turns)),
        "mentioned": mentioned("\n".join(f"{speaker}: {text}" for speaker, text in scene.turns), matter),
    }
