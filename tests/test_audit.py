"""What pip-audit could not tell is never told as clean; the licences are of all that is pinned."""

import json
from pathlib import Path

from audit.__main__ import CLEAN, UNTOLD, VULNERABLE, verdict
from audit.licences import COPYLEFT, licence, page

ROOT = Path(__file__).resolve().parents[1]
GOOD = {"name": "a", "version": "1", "vulns": []}
SKIPPED = {"name": "b", "skip_reason": "Dependency not found on PyPI and could not be audited: b (1)"}
BAD = {"name": "c", "version": "2", "vulns": [{"id": "CVE-1"}]}


def told(*found):
    return verdict(json.dumps({"dependencies": found}), "")


def test_only_what_was_checked_whole_is_clean():
    assert told(GOOD) == (CLEAN, "vulnerabilities: 1 of 1 packages checked, 0 found")
    code, said = told(GOOD, SKIPPED)
    assert code == UNTOLD
    assert "1 of 2 packages checked, 0 found\nnot checked" in said
    code, said = told(GOOD, SKIPPED, BAD)
    assert code == VULNERABLE
    assert "c 2: CVE-1" in said
    assert verdict("", "ERROR: no way to pypi.org\n") == (
        UNTOLD,
        "vulnerabilities: pip-audit's data could not be had (ERROR: no way to pypi.org); "
        "nothing is known of any package",
    )


def test_the_page_has_every_pinned_package_and_marks_copyleft():
    made = page((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    pinned = [line for line in (ROOT / "constraints.txt").read_text().split() if "==" in line]
    assert len([line for line in made.splitlines() if line.startswith("| ")]) == len(pinned) + 1
    assert COPYLEFT.search(licence("pygit2"))
    assert not COPYLEFT.search(licence("pydantic"))
    assert licence("no-such-package-here") == "not installed here"
