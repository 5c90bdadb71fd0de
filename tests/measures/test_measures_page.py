"""docs/measures.md speaks of every measure of a text."""

from pathlib import Path

from tasks.measures.definitions import DEFINITIONS

PAGE = Path(__file__).parents[2] / "docs/measures.md"


def test_every_measure_stands_on_its_page():
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in DEFINITIONS if f"`{name}`" not in text] == []
