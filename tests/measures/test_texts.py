"""What needs no model, on every measure of a text."""

from __future__ import annotations

import pytest

from tasks.measures import texts
from tasks.measures.definitions import DEFINITIONS

REFERENCES = [
    "둘은 내일 역에서 만나기로 했다.",
    "회의는 취소하기로 했다.",
    "민지가 표를 예매하기로 했다.",
    "짐은 형이 옮기기로 했다.",
]
ROWS = [
    {"document": f"{reference}\n그 밖의 말이 많다.", "summary": reference, "title": None}
    for reference in REFERENCES
]


def test_baselines_lie_where_they_must():
    rows = [ROWS[0], ROWS[1] | {"title": REFERENCES[1]}, ROWS[2], ROWS[3] | {"title": ""}]
    found = texts.baselines(rows, "rouge", seed=0)
    assert found["lead1"]["rougeL"] == found["lead1"]["rougeL_jamo"] == found["lead1"]["chrf"] == 1.0
    assert (found["title"]["rouge2"], found["title"]["rows"]) == (1.0, 1.0)
    assert 0.3 < found["random"]["rouge1"] < 0.8
    assert (
        found["random"]["rouge1_content"] < found["random"]["rouge1"]
    )  # particles and endings make the floor


def test_the_reference_itself_is_whole_and_without_fault():
    found = texts.baselines(ROWS, "rouge", seed=0)["reference"]
    assert found["gold"] == 1.0
    for name, definition in DEFINITIONS.items():
        if name in found and definition.better != "-":
            assert found[name] == pytest.approx(1.0 if definition.better == "higher" else 0.0, abs=1e-9), name


def test_what_is_not_there_is_no_baseline():
    assert "title" not in texts.baselines(ROWS, "rouge", seed=0)
    assert "random" not in texts.baselines(ROWS[:1], "rouge", seed=0)


def test_every_measure_of_a_text_is_in_each_baseline():
    found = texts.baselines(ROWS, "rouge", seed=0)
    columns = set(texts.seen(REFERENCES, ROWS))
    assert all(columns <= scores.keys() for scores in found.values())
    assert all("gold" in found[name] for name in ("lead1", "reference"))
    assert "gold" not in found["random"]
