"""The comparison as one self-contained HTML page in the language that is spoken; every text from data is escaped.

Its first screen is what a person decides by: the answer, one table, the warnings, where to read on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tasks.measures import answer, language, markup, overview, words
from tasks.measures.blocks import Extras, Section
from tasks.measures.language import say
from tasks.measures.markup import escaped
from tasks.measures.sections import sections
from tasks.measures.tables import Found

CSS = Path(__file__).with_suffix(".css")
FILES = {
    language.ENGLISH: "comparison",
    language.KOREAN: "comparison.ko",
}  # beside each other, as links suppose
OPEN = 3  # more warnings than these are folded
HEAD = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
"""


def html(found: Found, extras: Extras) -> str:
    """The page; it asks the network for nothing and follows the reader's light or dark."""
    title, style = escaped(words.title(found)), CSS.read_text(encoding="utf-8")
    parts = sections(found, extras)
    body = "\n".join([_first_screen(found, extras, parts), *map(markup.section, parts)])
    head = HEAD.format(language=language.spoken())
    return (
        f"{head}<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def others(kind: str) -> list[tuple[str, str, str]]:
    """Language, its own name and the report's file in it, of every language but the one that is spoken."""
    return [
        (each, language.OWN_NAMES[each], f"{FILES[each]}.{kind}")
        for each in language.LANGUAGES
        if each != language.spoken()
    ]


def _first_screen(found: Found, extras: Extras, parts: Sequence[Section]) -> str:
    links = "".join(
        f'<a class=language lang={each} hreflang={each} href="{file}">{name}</a>'
        for each, name, file in others("html")
    )
    behind = "".join(f"<li>{escaped(said)}</li>" for said in answer.behind(found))
    return (
        f"<header>{links}<p class=sub>{escaped(words.title(found))}</p>"
        f"<h1>{escaped(answer.answer(found, extras.costs))}</h1>"
        f"<p class=sub>{escaped(words.subtitle(found))}</p>"
        f"{f'<ul class=behind>{behind}</ul>' if behind else ''}"
        f"{markup.table(overview.table(found, extras.costs))}{_alarms(found)}{_contents(parts)}</header>"
    )


def _alarms(found: Found) -> str:
    told = [alarm[text()] for alarm in found["warnings"]]
    items = f"<ul>{''.join(f'<li>{escaped(each)}</li>' for each in told)}</ul>"
    if not told:
        return ""
    folded = markup.details(overview.counted(found), items) if len(told) > OPEN else items
    return f"<div class=alarms>{folded}</div>"


def text() -> str:
    """The key of a warning's text in the language that is spoken."""
    return "text" if language.spoken() == language.ENGLISH else f"text_{language.spoken()}"


def _contents(parts: Sequence[Section]) -> str:
    links = "".join(f'<a href="#{part.anchor}">{escaped(part.heading)}</a>' for part in parts)
    return f'<nav aria-label="{escaped(say("Contents"))}">{links}</nav>'
