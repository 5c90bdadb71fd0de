"""docs/licences.md: of every pinned package its version and licence, as its own metadata say; copyleft is marked."""

from __future__ import annotations

import re
from importlib import metadata

COPYLEFT = re.compile(r"\b(A?L?GPL|GNU|MPL|Mozilla|EPL|EUPL|CDDL|SSPL|OSL)", re.IGNORECASE)
LONGEST = 60  # characters; some packages have the licence's whole text there
HEAD = """# Licences

Written by `python -m audit` from the installed packages' own metadata; the versions are those of constraints.txt.
Copyleft is marked with (c): such a package is used as it is, unchanged and installed from PyPI, and no part of it is
in this repository. What is not installed on the machine that wrote this says so.

| package | version | licence |
|---|---|---|
"""


def page(constraints: str) -> str:
    """The whole page."""
    pinned = dict(line.split("==") for line in constraints.split() if "==" in line)
    rows = [
        (name, version, licence(name))
        for name, version in sorted(pinned.items(), key=lambda one: one[0].lower())
    ]
    lines = [f"| {name} | {version} | {_marked(found)} |" for name, version, found in rows]
    marked = [name for name, _, found in rows if COPYLEFT.search(found)]
    return HEAD + "\n".join(lines) + f"\n\n{len(rows)} packages; copyleft: {', '.join(marked) or 'none'}.\n"


def licence(name: str) -> str:
    """By the licence expression, else the classifiers, else the licence field's first line."""
    try:
        found = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return "not installed here"
    classified = [
        one.rpartition(" :: ")[2] for one in found.get_all("Classifier") or [] if one.startswith("License ::")
    ]
    known = [one for one in classified if one != "OSI Approved"]
    written = (found.get("License") or "").strip().partition("\n")[0]
    return str(
        found.get("License-Expression") or "; ".join(known) or written[:LONGEST] or "says none"
    ).replace("|", "/")


def _marked(found: str) -> str:
    return f"{found} (c)" if COPYLEFT.search(found) else found
