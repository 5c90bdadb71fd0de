"""The report in the reader's language: English templates in the code, the other language's in ko.yaml.

`say` fills in a template that stands in the code, as gettext does; `phrase` marks one that stands in a table of
constants and is said later. tests/measures/test_language.py holds the two against ko.yaml.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

ENGLISH, KOREAN = "en", "ko"
LANGUAGES = (ENGLISH, KOREAN)
OWN_NAMES = {ENGLISH: "English", KOREAN: "한국어"}
TEMPLATES = Path(__file__).with_name("ko.yaml")  # a list of `en` and `ko`, with the same named fields
_spoken: ContextVar[str] = ContextVar("spoken", default=ENGLISH)


def say(template: str, /, **values: Any) -> str:
    """The template in the language that is spoken, with its named fields filled in; values are no templates."""
    return (template if spoken() == ENGLISH else _korean(template)).format(**values)


def phrase(template: str, /) -> str:
    """The template as it is: marked here, said where it is shown."""
    return template


def spoken() -> str:
    """`en`, or `ko` within `speaking("ko")`."""
    return _spoken.get()


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """All that is said within is said in this language."""
    if language not in LANGUAGES:
        raise ValueError(f"{language!r} is none of {', '.join(LANGUAGES)}")
    token = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(token)


def both(write: Callable[[], str]) -> dict[str, str]:
    """`text` and `text_ko`: what `write` says in either language, for what is stored."""
    said = {}
    for key, language in (("text", ENGLISH), ("text_ko", KOREAN)):
        with speaking(language):
            said[key] = write()
    return said


@cache
def templates() -> dict[str, str]:
    """English template -> Korean template."""
    from ruamel.yaml import YAML

    pairs = YAML(typ="safe", pure=True).load(TEMPLATES.read_text(encoding="utf-8"))
    found = {pair["en"]: pair["ko"] for pair in pairs}
    if len(found) < len(pairs):
        raise ValueError(f"{TEMPLATES.name}: a template stands there twice")
    return found


def _korean(template: str) -> str:
    if template not in templates():
        raise LookupError(f"{TEMPLATES.name} has no entry for {template!r}")
    return templates()[template]
