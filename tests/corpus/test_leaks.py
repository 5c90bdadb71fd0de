"""Prompts that hold a document of the tests."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.corpus import leaks
from tasks.refusal import Refusal

LONG = "회의는 세 시에 시작했고, 예산은 구백만 원으로 정했으며, 다음 모임은 금요일이다. 자료는 미리 보낸다."


def test_a_document_is_found_wherever_it_stands_and_without_regard_to_white_space():
    held = {LONG: "test: a", "짧은 글": "test: b"}
    prompts = [f"요약해: {LONG}", LONG.replace(" ", "\n"), "앞. 짧은  글 뒤", LONG[:-5], LONG[1:], "다른 글"]
    assert leaks.leaked(prompts, held) == [(0, "test: a"), (1, "test: a"), (2, "test: b")]


def test_documents_that_begin_alike_are_told_apart():
    other = LONG + " 끝."
    assert leaks.leaked([f"{other}"], {other: "whole", LONG: "part"}) == [(0, "whole")]
    assert leaks.leaked([f"{LONG}"], {other: "whole", LONG: "part"}) == [(0, "part")]


def test_no_prompts_and_no_documents_are_no_leak():
    assert leaks.leaked([], {LONG: "a"}) == []
    assert leaks.leaked([LONG], {}) == []


def test_the_first_row_that_leaks_is_refused_with_how_many_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path, document in zip(leaks.HELD_OUT, (LONG, "짧은 글"), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"id": ["d1"], "document": [document]}), path)
    leaks.require_none("own.pairs", ["r1"], ["다른 글"])
    with pytest.raises(Refusal, match=r"own.pairs: r2: .*test.parquet: d1\), as do those of 1 of 2 rows"):
        leaks.require_none("own.pairs", ["r1", "r2"], ["다른 글", "글: 짧은 글"])
