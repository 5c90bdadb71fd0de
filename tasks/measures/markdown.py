"""The comparison as Markdown in the language that is spoken: the page without its plots and examples."""

from __future__ import annotations

import html as escaping
from collections.abc import Iterator, Sequence

from tasks.measures import answer, overview, page, words
from tasks.measures.blocks import ROWS, Block, Commands, Extras, Folded, Section, Sentences
from tasks.measures.language import say
from tasks.measures.sections import sections
from tasks.measures.tables import Found, Table


def markdown(found: Found, extras: Extras) -> str:
    """The same answer, warnings, sentences and tables as text."""
    lines = [*_first_screen(found, extras)]
    for part in sections(found, extras):
        lines += _section(part)
    return "\n".join(lines).rstrip() + "\n"


def _first_screen(found: Found, extras: Extras) -> Iterator[str]:
    links = " · ".join(f"[{name}]({file})" for _, name, file in page.others("md"))
    yield from (links, "", f"# {_m(answer.answer(found, extras.costs))}", "", _m(words.title(found)))
    yield from ("", f"{_m(words.subtitle(found))}.", "")
    yield from (f"- {_m(said)}" for said in answer.behind(found))
    yield ""
    yield from (*_table(overview.table(found, extras.costs)), "")
    alarms = [f"- **{_m(say('Warning:'))}** {_m(alarm[page.text()])}" for alarm in found["warnings"]]
    many = len(alarms) > page.OPEN
    yield from (*(_folded(overview.counted(found), alarms) if many else alarms), "")


def _section(part: Section) -> Iterator[str]:
    shown = [lines for block in part.blocks if (lines := list(_block(block)))]
    if shown:
        yield from (f"## {_m(part.heading)}", "", _m(part.question), "")
        for lines in shown:
            yield from (*lines, "")


def _block(block: Block) -> Iterator[str]:
    """Nothing for plots, examples and matrices."""
    match block:
        case Table():
            title = [f"### {_m(block.title)}", ""] if block.title else []
            if len(block.rows) > ROWS:
                count = say("{count} rows", count=len(block.rows))
                yield from (*title, *_folded(count, [*_table(block)]))
            else:
                yield from (*title, *_table(block))
        case Sentences(items):
            yield from (
                line for kind, text in items for line in ([f"- {_m(text)}"] if kind else [_m(text), ""])
            )
        case Folded(summary, inside):
            yield from _folded(summary, [*_block(inside)])
        case Commands(lines):
            yield from ("```", *lines, "```")


def _table(table: Table) -> Iterator[str]:
    yield from (_line(table.header), _line(["---"] * len(table.header)), *map(_line, table.rows))
    if table.note:
        yield from ("", _m(table.note))


def _folded(summary: str, lines: Sequence[str]) -> Iterator[str]:
    yield from (f"<details><summary>{_m(summary)}</summary>", "", *lines, "", "</details>")


def _m(text: str) -> str:
    return (
        escaping.escape(text, quote=False)
        .replace("|", "\\|")
        .replace("\n", " ")
        .replace("_", "\\_")
        .replace("](", "]\\(")
    )


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(_m, cells)) + " |"
