"""`python -m audit` (`make audit`): docs/licences.md anew, then pip-audit; 0 clean, 1 vulnerable, 3 not to be told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audit import licences

CLEAN, VULNERABLE, UNTOLD = 0, 1, 3
CONSTRAINTS, PAGE = Path("constraints.txt"), Path("docs/licences.md")


def main(words: Sequence[str]) -> int:
    """words: the path of pip-audit, which lives in an environment of its own; without it the licences alone."""
    PAGE.write_text(licences.page(CONSTRAINTS.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"licences: {PAGE}")
    if not words:
        return CLEAN
    command = [words[0], "--requirement", str(CONSTRAINTS), "--no-deps", "--disable-pip", "--format", "json"]
    asked = subprocess.run([*command, "--progress-spinner", "off"], capture_output=True, text=True)
    code, told = verdict(asked.stdout, asked.stderr)
    print(told)
    return code


def verdict(answer: str, said: str) -> tuple[int, str]:
    """The exit code and what to say of pip-audit's JSON; a package that it skipped is not one without a fault."""
    try:
        found: list[dict[str, Any]] = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (said.strip().splitlines() or ["it said nothing"])[-1]
        return (
            UNTOLD,
            f"vulnerabilities: pip-audit's data could not be had ({last}); nothing is known of any package",
        )
    skipped = [one["name"] for one in found if "skip_reason" in one]
    bad = [one for one in found if one.get("vulns")]
    lines = [f"{one['name']} {one['version']}: {each['id']}" for one in bad for each in one["vulns"]]
    checked = (
        f"vulnerabilities: {len(found) - len(skipped)} of {len(found)} packages checked, {len(lines)} found"
    )
    if skipped:
        lines.append(f"not checked, as the registry has no data of them here: {', '.join(skipped)}")
    told = "\n".join([checked, *lines])
    return (VULNERABLE if bad else UNTOLD if skipped else CLEAN), told


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
