"""Who speaks in a dialogue, and where a text names them, with the role that the particle gives."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from tasks.corpus import turns
from tasks.measures.morphemes import PREFIX, SPEAKER, TAG, normalise

SUBJECT, TOPIC, JOINED, CALLED, OTHER = "subject", "topic", "joined", "called", "other"
_PARTICLES = {
    SUBJECT: "께서|이가|가|이",
    TOPIC: "이는|이도|은|는|도|만",
    JOINED: "이랑|랑|하고|과|와|이와",
    CALLED: "아|야",
    OTHER: "에게서|에게|한테서|한테|으로부터|로부터|이에게|이한테|이를|을|를|의|네|께|으로|로",
}
_ROLE_OF = {form: role for role, forms in _PARTICLES.items() for form in forms.split("|")}
_FORMS = "|".join(sorted(_ROLE_OF, key=len, reverse=True))
_HANGING = re.compile(rf"(?P<title> ?씨| ?님)?(?:(?P<particle>{_FORMS})(?!\w)|(?!\w))")


class Mention(NamedTuple):
    """A speaker's name in a normalised text and the role that its particle gives."""

    name: str
    role: str
    start: int
    end: int
    form: str = ""  # among morphemes it stands for none
    tag: str = ""


@functools.lru_cache(maxsize=20_000)
def speakers(document: str) -> tuple[str, ...]:
    """The speaker of each line, empty where it names none; of a text that is no dialogue nothing."""
    return tuple(turns.spoken(unicodedata.normalize("NFC", document)))


def mentions(text: str, names: Iterable[str]) -> list[Mention]:
    """Every place of the normalised text that names one of these speakers, in order."""
    plain, tagged = normalise(text), _tagged(text)
    found = {}  # by start; the longest of several names that start there stays
    for name in sorted(names, key=len):
        if not TAG.fullmatch(name):
            found |= dict.fromkeys(_places(plain, name), name)
    places = _places(plain, SPEAKER)
    if len(places) == len(tagged):
        found |= {place: name for place, name in zip(places, tagged, strict=True) if name in names}
    every = [_mention(plain, place, found[place]) for place in sorted(found)]
    return [mention for mention in every if mention]


def _places(text: str, word: str) -> list[int]:
    """Where the word stands with no other letter before it."""
    found, place = [], text.find(word)
    while place >= 0:
        if not place or not (text[place - 1].isalnum() or text[place - 1] == "_"):
            found.append(place)
        place = text.find(word, place + 1)
    return found


def _mention(text: str, place: int, name: str) -> Mention | None:
    """The name at that place with what hangs on it; nothing where it is the start of another word."""
    word = SPEAKER if TAG.fullmatch(name) else name
    match = _HANGING.match(text, place + len(word))
    if not match:
        return None
    role = _ROLE_OF.get(match["particle"] or "", OTHER)
    if not match["particle"] and text[match.end() :].lstrip().startswith(","):
        role = CALLED if match["title"] else JOINED  # 수아 씨, and 수아, 민수는
    return Mention(name, role, place, match.end())


def _tagged(text: str) -> list[str]:
    """What the placeholders of the normalised text stand for, in order; empty for a line's `이름:`."""
    if "#" not in text and ":" not in text and "：" not in text:
        return []
    text = unicodedata.normalize("NFC", text)
    both = [(match.start(), "") for match in PREFIX.finditer(text)]
    both += [(match.start(), match.group()) for match in TAG.finditer(text)]
    return [name for _, name in sorted(both)]
