"""The rating page as HTML: a document, two summaries without names, five buttons; every text from data is escaped."""

from __future__ import annotations

from tasks.measures.language import LANGUAGES, OWN_NAMES
from tasks.measures.markup import escaped
from tasks.people.questions import Placed
from tasks.people.sitting import Sitting
from tasks.people.words import WORDS

HEAD = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="../rating.css">
<script src="../rating.js" defer></script>
</head>
"""


def html(sitting: Sitting, language: str) -> str:
    """The present question, or the end."""
    words, placed = WORDS[language], sitting.show()
    head = HEAD.format(language=language, title=escaped(words["title"]))
    body = _question(placed, words) if placed else _end(words)
    bar = _buttons(sitting, words, asking=placed is not None)
    return f"{head}<body>\n{_header(sitting, words, language)}\n{body}\n{bar}\n</body>\n</html>\n"


def _header(sitting: Sitting, words: dict[str, str], language: str) -> str:
    done, total = sitting.place, sitting.total
    told = escaped(words["progress"].format(done=done, total=total))
    links = " ".join(
        f'<a href="../{each}/" lang={each} hreflang={each}>{OWN_NAMES[each]}</a>'
        for each in LANGUAGES
        if each != language
    )
    bar = f'<progress max={max(total, 1)} value={done} aria-label="{told}"></progress>'
    return f"<header><span id=progress>{told}</span>{bar}{links}</header>"


def _question(placed: Placed, words: dict[str, str]) -> str:
    sides = "".join(
        f'<section class=side id={side}><h2>{escaped(words[side])}</h2><div class="text" dir=auto>'
        f"{escaped(text)}</div></section>"
        for side, text in (("left", placed.left), ("right", placed.right))
    )
    return (
        f"<main><h1>{escaped(words['title'])}</h1><p class=hint>{escaped(words['hint'])}</p>"
        f'<section class=document tabindex=0 autofocus aria-label="{escaped(words["document"])}">'
        f'<div class="text" dir=auto>{escaped(placed.question.document)}</div></section>'
        f"<div class=sides>{sides}</div></main>"
    )


def _end(words: dict[str, str]) -> str:
    return f"<main id=end><h1>{escaped(words['end'])}</h1><p>{escaped(words['end_hint'])}</p></main>"


def _buttons(sitting: Sitting, words: dict[str, str], asking: bool) -> str:
    keys = {
        "left": ("choose_left", "1 ←"),
        "tie": ("tie", f"0 {words['space']}"),
        "right": ("choose_right", "2 →"),
        "skip": ("skip", "S"),
        "undo": ("undo", "U"),
    }
    shown = [name for name in keys if (sitting.can_undo if name == "undo" else asking)]
    buttons = "".join(
        f'<button name=verdict value={name} formaction="{sitting.place}/{name}">{escaped(words[keys[name][0]])}'
        f"<kbd>{escaped(keys[name][1])}</kbd></button>"
        for name in shown
    )
    return f"<form method=post>{buttons}</form>"
