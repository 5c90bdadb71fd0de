"""A dialogue while it is being spoken: who is there, what is on the table, what was said."""

import random
from dataclasses import dataclass, field

from tasks.corpus.korean import Word
from tasks.corpus.matters import lexicon, talk
from tasks.corpus.matters.matter import Matter


@dataclass
class Scene:
    """The state of one dialogue; its methods each speak one phase."""

    rng: random.Random
    matter: Matter
    register: str
    names: dict[str, Word]  # speaker key -> name; "friend" is only spoken of
    value: dict[str, Word]  # slot -> the value that holds now
    turns: list[tuple[str, str]] = field(default_factory=list)
    people: list[str] = field(default_factory=lambda: ["a", "b"])
    rejected: dict[str, list[str]] = field(default_factory=dict)  # slot -> values turned down

    def say(self, key: str, template: str, **words: str) -> None:
        """Adds what `key` says; two things said in a row by one speaker become one turn."""
        every = {**self.names, **self.value, **self.forms(), **{k: Word(v) for k, v in words.items()}}
        text = template.format(**every)
        speaker = str(self.names[key])
        if self.turns and self.turns[-1][0] == speaker:
            self.turns[-1] = (speaker, f"{self.turns[-1][1]} {text}")
        else:
            self.turns.append((speaker, text))

    def forms(self) -> dict[str, Word]:
        """The extra words that the current item brings."""
        return {
            key: Word(form) for key, form in self.matter.forms.get(self.value.get("item", ""), {}).items()
        }

    def exchange(self, lines: talk.Exchange, cast: dict[str, str], **words: str) -> None:
        """Speaks lines whose speakers are x, y, z, with `cast` from those to speaker keys."""
        names = {role: str(self.names[key]) for role, key in cast.items()}
        for role, template in lines:
            self.say(cast[role], template, **names, **words)

    def last_speaker(self) -> str:
        """The name that spoke last, empty before the first turn."""
        return self.turns[-1][0] if self.turns else ""

    def another(self, slot: str) -> Word:
        """A value of the slot that is not the current one and was not said yet."""
        said = " ".join(text for _, text in self.turns)
        free = [v for v in self.matter.slots[slot] if v != self.value[slot] and v not in said]
        if slot == "time":  # keep the half of the day, as people do
            near = [v for v in free if v[:2] == self.value[slot][:2]]
            free = near or free
        return Word(self.rng.choice(free))

    def stray(self) -> dict[str, str]:
        """Values for small talk that are not the plan's, each to be confused with one of its slots."""
        pick = self.rng.choice
        return {
            "day": pick([d for d in lexicon.WEEKDAYS if d != self.value.get("day")]),
            "time": pick([t for t in lexicon.HOURS if t != self.value.get("time")]),
            "place": pick(
                [p for p in lexicon.MEETING_PLACES + lexicon.DESTINATIONS if p != self.value.get("place")]
            ),
            "morning": pick([t for t in lexicon.MORNING if t != self.value.get("time")]),
            "won": pick(
                [w for w in ("2만 원", "3만 원", "4만 원", "6만 원") if w != self.value.get("amount")]
            ),
            "cups": str(self.rng.randint(2, 4)),
        }

    def why(self, slot: str, old: str, new: str) -> str:
        """A reason to turn `old` down that fits with proposing `new`."""
        reasons = talk.WHY[self.register][slot]
        if isinstance(reasons, dict):
            order = self.matter.slots[slot]
            reasons = reasons["more" if order.index(new) > order.index(old) else "less"]
        return self.rng.choice(reasons)

    def turn_down(self, slot: str, key: str) -> None:
        """The speaker turns the current value of the slot down and names the next one."""
        old, new = self.value[slot], self.another(slot)
        template = self.rng.choice(talk.TURN_DOWN[self.register])
        self.say(key, template, v=old, n=new, why=self.why(slot, old, new))
        self.rejected.setdefault(slot, []).append(str(old))
        self.value[slot] = new
