"""Whether a text is written like a summary: whole sentences, no list or speech, no repetition, fit length."""

import re
from collections.abc import Sequence
from itertools import pairwise

_VALUE = "값"
CONNECTED, MOST_LISTED = 0.5, 2
SHORTEST, SHORT, LONG, LONGEST = 5, 25, 90, 180  # characters
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
_PREDICATE = re.compile(r"(?:다|요|음|함|임|됨|냄|봄|예정|계획)[.!]*$")
_COPULA = re.compile(r"이다[.!]*$")
_SPEAKER = re.compile(r"(?:^|\n|[.?!] )\s*[가-힣A-Za-z ]{1,8} ?[:：]")
_LABEL = re.compile(r"[가-힣] ?[:：=] ?")
_FIRST_PERSON = re.compile(r"(?<![가-힣])(?:내가|제가|네가|저는|나도|저도)(?![가-힣])|(?:^|[.!?] )나는 ")
_SPOKEN = re.compile(r"\?|(?:을게|할게|갈게|올게|하자|보자|어때|주세요|까요|세요|네요|죠)[.!?]*(?:\s|$)")
# Signs that no Korean sentence needs: broken bytes, markup, lone letters, other scripts.
_ODD = re.compile(r"[^가-힣A-Z0-9 \n.,!?()\"'’‘“”~·:%+-]")
# A word with a particle or an ending, as opposed to a bare keyword.
_INFLECTED = re.compile(
    r"(?:은|는|이|가|을|를|에|에서|에게|에게서|한테|의|로|와|과|도|만|까지|부터|께|서|고|며|다|기로|해|러|지만|할|한|하기|나|여|려|던"
    r"|데|된|될|줄|게|음|함|임|됨)$"
)


Span = tuple[int, int]  # where a value stands in the text


def form(text: str, values: Sequence[Span] = ()) -> float:
    """1 for whole, plain written sentences, falling towards 0 for lists, speech, repetition and fragments."""
    sentences = [s.strip() for s in _SENTENCE.findall(text) if s.strip(" .!?")]
    if not sentences:
        return 0.0
    whole = sum(len(s) for s in sentences if _PREDICATE.search(s)) / sum(map(len, sentences))
    value = max(0.2, whole)
    if _SPEAKER.search(text) or len(_LABEL.findall(text)) > 1:
        value *= 0.2
    if _FIRST_PERSON.search(text) or _SPOKEN.search(text):
        value *= 0.4
    named = sum(bool(_COPULA.search(s)) for s in sentences)
    value *= min(1.0, 3 / len(sentences)) * 0.7 ** max(0, named - 1)  # a fact in each sentence is a dump
    value *= max(0.0, 1 - 5 * len(_ODD.findall(text)) / len(text))
    return value * _connected(text, values) * _fresh(text, sentences)


def length(text: str) -> float:
    """1 between 25 and 90 characters, falling linearly to 0 at 5 and at 180."""
    count = len(text)
    return max(0.0, min(1.0, (count - SHORTEST) / (SHORT - SHORTEST), (LONGEST - count) / (LONGEST - LONG)))


def _connected(text: str, values: Sequence[Span]) -> float:
    """1 where half of the words bear a particle or an ending and few are listed bare; a value is one word."""
    parts, place = [], 0
    for start, end in values:
        if start >= place:
            parts += [text[place:start], " ", _VALUE]
            place = end
    words = "".join([*parts, text[place:]]).split()
    bare = [word for word in words if not _INFLECTED.search(word.strip(".,!?()\"'"))]
    listed = sum(word.endswith(",") for word in bare)
    share = 1 - len(bare) / len(words)
    return min(1.0, (share / CONNECTED) ** 3) * 0.5 ** max(0, listed - MOST_LISTED)


def _fresh(text: str, sentences: list[str]) -> float:
    """1 where nothing is said twice: no sentence, no run of three words, no word right after itself."""
    words = text.replace(".", " ").replace(",", " ").split()
    triples = list(zip(words, words[1:], words[2:], strict=False))
    stutter = sum(one == other for one, other in pairwise(words))
    value = len(set(sentences)) / len(sentences)
    if triples:
        value *= len(set(triples)) / len(triples)
    return value * 0.7**stutter
