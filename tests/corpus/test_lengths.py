from collections import Counter

import pytest

from tasks.corpus.lengths import within
from tasks.corpus.rows import Placed, Row
from tasks.refusal import Refusal


def placed(number, document, summary="요약"):
    row = Row(str(number), document, summary, None, None, None, group="", truncated=False)
    return Placed(row, f"train.jsonl:{number}", "train", Counter())


ROWS = [placed(1, "짧은 글."), placed(2, "첫째 문장. 둘째 문장. 셋째 문장."), placed(3, "가" * 30)]


def test_error_names_the_first_and_how_many():
    with pytest.raises(Refusal, match=r"train.jsonl:2: .*\(20, not 15\), the first of 2; ") as refusal:
        within(ROWS, 15, "error")
    assert "truncate or drop" in refusal.value.cure


def test_drop_refuses_each_and_keeps_the_rest():
    kept, refused = within(ROWS, 15, "drop")
    assert [one.row.id for one in kept] == ["1"]
    assert [refusal.place for refusal in refused] == ["train.jsonl:2", "train.jsonl:3"]


def test_truncate_keeps_all_and_marks_what_it_cut():
    kept, refused = within(ROWS, 15, "truncate")
    assert [(one.row.document, one.row.truncated) for one in kept] == [
        ("짧은 글.", False),
        ("첫째 문장. 둘째 문장.", True),
        ("가" * 15, True),
    ]
    assert refused == []


def test_a_row_that_truncation_makes_its_own_summary_is_refused():
    kept, refused = within([placed(1, "결론. 나머지 말들", "결론.")], 5, "truncate")
    assert kept == []
    assert "equals the summary" in refused[0].cause


@pytest.mark.parametrize("policy", ["error", "drop", "truncate"])
def test_a_document_at_the_limit_stays(policy):
    assert within(ROWS[:1], 5, policy) == (ROWS[:1], [])
