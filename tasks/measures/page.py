"""The comparison as one self-contained HTML page and as Markdown; every text from data is escaped."""

from __future__ import annotations

import html as escaping
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tasks.measures import (
    certainty,
    contract_table,
    frontier_told,
    given,
    legend,
    marks,
    plots,
    plots_frontier,
    tables,
    winning,
    words,
)
from tasks.measures.comparison import SAME
from tasks.measures.evaluations import SFT
from tasks.measures.examples import Example
from tasks.measures.tables import Found, Table

CSS = Path(__file__).with_suffix(".css")
HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
"""


class Extras(NamedTuple):
    """What the page shows and comparison.json does not hold: texts, per-prompt differences [P], costs."""

    examples: Sequence[Example]
    differences: Mapping[str, np.ndarray]
    costs: Mapping[str, Sequence[Mapping[str, Any]]]


def html(found: Found, extras: Extras) -> str:
    """The page; it asks the network for nothing and follows the reader's light or dark."""
    title, style = _e(words.title(found)), CSS.read_text(encoding="utf-8")
    body = "\n".join(_parts(found, extras))
    return (
        f"{HEAD}<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def markdown(found: Found, extras: Extras) -> str:
    """The same verdicts, warnings and tables as text."""
    shown = [
        given.table(found),
        *contract_table.tables(found),
        tables.scores(found, "greedy"),
        tables.scores(found, "sampled"),
        tables.verdicts(found),
        certainty.table(found),
        *winning.tables(found),
    ]
    shown += [certainty.general(found)] if found["in_general"]["greedy"] else []
    shown += [tables.best_of(found)] if found["best_of"] else []
    shown += [frontier_told.onsets(found), frontier_told.points(found)] if found["frontier"]["points"] else []
    shown += [tables.seeds(found), tables.baselines(found), legend.measures(found), legend.signed(found)]
    shown += [tables.displacement(found)] if found["displacement"] else []
    lines = [f"# {_m(words.title(found))}", "", f"{_m(words.subtitle(found))}.", ""]
    lines += [f"- {_m(words.sentence(found, *pair))}" for pair in tables.pairs(found)]
    lines += [f"- {_m(text)}" for text in certainty.sentences(found)]
    lines += ["", *(f"- **Warning:** {_m(alarm['text'])}" for alarm in found["warnings"]), ""]
    for table in (*shown, tables.costs(found, extras.costs)):
        lines += [f"## {table.title}", "", _line(table.header), _line(["---"] * len(table.header))]
        lines += [*map(_line, table.rows), "", *([_m(table.note), ""] if table.note else [])]
    lines += ["## How it was computed", "", "\n\n".join(map(_m, words.method(found)))]
    return "\n".join(lines).rstrip() + "\n"


def _parts(found: Found, extras: Extras) -> list[str]:
    scores = "".join(_table(tables.scores(found, decoding)) for decoding in ("greedy", "sampled"))
    frontier = _figure(plots_frontier.ends(found), words.frontier(found))
    frontier += _table(tables.best_of(found)) if found["best_of"] else ""
    if found["frontier"]["points"]:
        frontier += _figure(plots_frontier.ways(found), frontier_told.caption(found))
        frontier += _table(frontier_told.onsets(found)) + _table(frontier_told.points(found))
    plotted = _figure(plots.means(found), words.MEANS) + _figure(plots.differences(found), words.PAIRED)
    distributions = _figure(plots.distributions(found, extras.differences), words.PROMPTS)
    examples = f"<p class=note>{_e(words.EXAMPLES)}</p>" + "".join(map(_example, extras.examples))
    method = "".join(f"<p>{_e(text)}</p>" for text in words.method(found))
    general = _table(certainty.general(found)) if found["in_general"]["greedy"] else ""
    parts = [
        f"<h1>{_e(words.title(found))}</h1><p class=sub>{_e(words.subtitle(found))}</p>",
        _verdicts(found),
        _alarms(found),
        _section("Branches", "".join(map(_table, [given.table(found), *contract_table.tables(found)]))),
        _section("Scores", scores),
        _section("Reward and KL", frontier),
        _section("Differences", plotted + _table(tables.verdicts(found)) + _table(certainty.table(found))),
        _section("Win rates", winning.matrices(found) + "".join(map(_table, winning.tables(found)))),
        _section("Prompt by prompt", distributions),
        _section("Seeds", _figure(plots.seeds(found), words.SEEDS) + _table(tables.seeds(found)) + general),
        _section("Baselines", _table(tables.baselines(found))),
        _section("Measures", _table(legend.measures(found)) + _table(legend.signed(found))),
    ]
    if found["displacement"]:
        parts.append(_section("Likelihood", _table(tables.displacement(found))))
    parts += [
        _section("Examples", examples),
        _section("Cost", _table(tables.costs(found, extras.costs))),
        _section("How it was computed", method + _hashes(found)),
    ]
    return parts


def _verdicts(found: Found) -> str:
    text = ""
    for heading, to_sft in ((f"Against {SFT}", True), ("Between branches", False)):
        items = [
            f'<li class="{"same" if pair[0]["verdict"] == SAME else pair[0]["verdict"]}">'
            f"{_e(words.sentence(found, *pair))}</li>"
            for pair in tables.pairs(found)
            if (pair[0]["right"] == SFT) is to_sft
        ]
        text += f"<h3>{heading}</h3><ul class=verdicts>{''.join(items)}</ul>" if items else ""
    return text + "".join(f"<p>{_e(said)}</p>" for said in certainty.sentences(found))


def _alarms(found: Found) -> str:
    items = "".join(f"<li>{_e(alarm['text'])}</li>" for alarm in found["warnings"])
    return f"<h3>Warnings</h3><ul class=alarms>{items}</ul>" if items else ""


def _table(table: Table) -> str:
    head = "".join(
        f"<th>{_e(cell).replace('-', '&#8209;')}</th>" for cell in table.header
    )  # no break in ROUGE-L
    rows = "".join(
        f"<tr><th>{_e(row[0])}</th>{''.join(f'<td>{_e(cell)}</td>' for cell in row[1:])}</tr>"
        for row in table.rows
    )
    note = f"<p class=note>{_e(table.note)}</p>" if table.note else ""
    kind = " class=words" if table.words else ""
    body = f"<table{kind}><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<h3>{_e(table.title)}</h3><div class=wide>{body}</div>{note}"


def _example(example: Example) -> str:
    first = example.texts[0].summary  # SFT's
    rows = [("reference", _e(example.reference), "")]
    rows += [
        (text.model, _marked(text.summary, first), f"{text.score:.3f} ({text.mean:.3f})")
        for text in example.texts
    ]
    body = "".join(
        f"<tr><th>{_e(name)}</th><td class=text lang=ko>{text}</td><td>{_e(score)}</td></tr>"
        for name, text, score in rows
    )
    return (
        f"<div class=example><h3>{_e(example.why)}</h3>"
        f"<details><summary>document {_e(example.id)}</summary>"
        f"<div class=document lang=ko>{_e(example.document)}</div></details>"
        f"<div class=wide><table><tbody>{body}</tbody></table></div></div>"
    )


def _marked(text: str, other: str) -> str:
    """The text, escaped, with what the other has not in that place between <mark> and </mark>."""
    return "".join(
        f"<mark>{_e(part.text)}</mark>" if part.differs else _e(part.text)
        for part in marks.parts(text, other)
    )


def _hashes(found: Found) -> str:
    rows = [(name, value) for name, value in found["hashes"].items() if name != "models"]
    rows += [(f"weights of {name}", value) for name, value in found["hashes"]["models"].items()]
    items = "".join(f"<li>{_e(name)} <code>{_e(str(value))}</code></li>" for name, value in rows)
    return f"<details><summary>hashes of what was compared</summary><ul>{items}</ul></details>"


def _section(heading: str, body: str) -> str:
    return f"<h2>{_e(heading)}</h2>\n{body}"


def _figure(svg: str, caption: str) -> str:
    return f"<figure>{svg}<figcaption>{_e(caption)}</figcaption></figure>"


def _e(text: str) -> str:
    return escaping.escape(text.replace("\x00", "\ufffd"), quote=True)


def _m(text: str) -> str:
    return escaping.escape(text, quote=False).replace("|", "\\|").replace("\n", " ").replace("_", "\\_")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(_m, cells)) + " |"
