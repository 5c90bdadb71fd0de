import json

import pytest

from tasks.corpus import rejects
from tasks.refusal import Refusal

REJECTS = [
    Refusal("a:1", "too long (9)", "cut"),
    Refusal("a:3", "too long (8)", "cut"),
    Refusal("b:1", "ㄱ", "c"),
]


def test_every_reject_is_written_with_place_cause_and_cure(tmp_path):
    rejects.keep(REJECTS, 10, 0.3, tmp_path / "x" / "rejects.jsonl")
    lines = (tmp_path / "x" / "rejects.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines][2] == {"place": "b:1", "cause": "ㄱ", "cure": "c"}
    assert len(lines) == 3


def test_above_the_share_it_stops_after_writing(tmp_path):
    with pytest.raises(Refusal, match=r"a:1: 3 of 10 rows .*too long \(2\); see .*rejects.jsonl"):
        rejects.keep(REJECTS, 10, 0.29, tmp_path / "rejects.jsonl")
    assert (tmp_path / "rejects.jsonl").read_text(encoding="utf-8").count("\n") == 3


def test_no_reject_is_an_empty_file(tmp_path):
    rejects.keep([], 0, 0.0, tmp_path / "rejects.jsonl")
    assert (tmp_path / "rejects.jsonl").read_text() == ""
