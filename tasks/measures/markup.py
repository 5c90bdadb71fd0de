"""The blocks of a report as HTML; every text from data is escaped."""

from __future__ import annotations

import html as escaping
from collections.abc import Sequence

from tasks.measures import examples, marks
from tasks.measures.blocks import ROWS, Block, Commands, Figure, Folded, Markup, Section, Sentences
from tasks.measures.examples import Example
from tasks.measures.language import say
from tasks.measures.tables import Table

SIGNED = {"▲": "up", "▼": "down"}


def section(part: Section) -> str:
    """The section under its anchor."""
    return (
        f'<section id="{part.anchor}"><h2>{escaped(part.heading)}</h2>'
        f"<p class=question>{escaped(part.question)}</p>\n{''.join(map(block, part.blocks))}</section>"
    )


def block(given: Block) -> str:
    """Any block."""
    match given:
        case Table():
            if len(given.rows) <= ROWS:
                return table(given)
            summary = say("{title}: {count} rows", title=given.title, count=len(given.rows))
            return details(summary, table(given._replace(title="")))
        case Figure(draw, caption):
            return f"<figure>{draw()}<figcaption>{escaped(caption)}</figcaption></figure>"
        case Sentences(items):
            return sentences(items)
        case Folded(summary, inside):
            return details(summary, block(inside))
        case Commands(lines):
            return f"<pre><code>{escaped(chr(10).join(lines))}</code></pre>"
        case Markup(text):
            return text
        case Example():
            return example(given)


def table(given: Table) -> str:
    """The table in a box that scrolls, with its title and note."""
    head = "".join(f"<th>{_unbroken(cell)}</th>" for cell in given.header)
    rows = "".join(f"<tr><th>{escaped(row[0])}</th>{''.join(map(_cell, row[1:]))}</tr>" for row in given.rows)
    title = f"<h3>{escaped(given.title)}</h3>" if given.title else ""
    note = f"<p class=note>{escaped(given.note)}</p>" if given.note else ""
    kind = " class=words" if given.words else ""
    body = f"<table{kind}><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f"{title}<div class=wide>{body}</div>{note}"


def sentences(items: Sequence[tuple[str, str]]) -> str:
    """Paragraphs, and lists of verdicts where they have one."""
    if not any(kind for kind, _ in items):
        return "".join(f"<p>{escaped(text)}</p>" for _, text in items)
    shown = "".join(f'<li class="{escaped(kind)}">{escaped(text)}</li>' for kind, text in items)
    return f"<ul class=verdicts>{shown}</ul>"


def details(summary: str, inside: str) -> str:
    """What stands open on a click alone."""
    return f"<details><summary>{escaped(summary)}</summary>{inside}</details>"


def example(given: Example) -> str:
    """One document, folded, and every model's summary with what differs from SFT's marked."""
    first = given.texts[0].summary  # SFT's
    rows = [(say("reference"), escaped(given.reference), "")]
    rows += [
        (text.model, _marked(text.summary, first), f"{text.score:.3f} ({text.mean:.3f})")
        for text in given.texts
    ]
    body = "".join(
        f"<tr><th>{escaped(name)}</th><td class=text lang=ko>{text}</td><td>{escaped(score)}</td></tr>"
        for name, text, score in rows
    )
    document = f"<div class=document lang=ko>{escaped(given.document)}</div>"
    return (
        f"<div class=example><h3>{escaped(examples.why(given))}</h3>"
        f"{details(say('document {id}', id=given.id), document)}"
        f"<div class=wide><table><tbody>{body}</tbody></table></div></div>"
    )


def escaped(text: str) -> str:
    """The text as text, in an element or between quotes."""
    return escaping.escape(text.replace("\x00", "\ufffd"), quote=True)


def _marked(text: str, other: str) -> str:
    """The text, escaped, with what the other has not in that place between <mark> and </mark>."""
    return "".join(
        f"<mark>{escaped(part.text)}</mark>" if part.differs else escaped(part.text)
        for part in marks.parts(text, other)
    )


def _cell(text: str) -> str:
    kind = SIGNED.get(text[:1])  # of a verdict; beside a number the sign says higher or lower, not better
    return f"<td{f' class={kind}' if kind else ''}>{escaped(text)}</td>"


def _unbroken(text: str) -> str:
    return escaped(text).replace("-", "&#8209;")  # no break in ROUGE-L
