"""A rated set in its three forms, and what is refused."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.corpus import rated
from tasks.corpus.rated import RatedPair
from tasks.refusal import Refusal

PAIR = {"id": "1", "document": "문서", "summary_a": "가", "summary_b": "나", "preference": "a"}


@pytest.fixture
def file(tmp_path):
    def write(*rows, ensure_ascii=False):
        path, given = tmp_path / "set.jsonl", (json.dumps(row, ensure_ascii=ensure_ascii) for row in rows)
        path.write_text("".join(f"{row}\n" for row in given), encoding="utf-8")
        return path

    return write


def read(path, names, criterion):
    return rated.read(path, names, criterion)[0]


def verdicts(pairs):
    return [(pair.left, pair.right, pair.human) for pair in pairs]


def test_pairs_with_a_preference(file):
    rows = [PAIR, PAIR | {"preference": "B"}, PAIR | {"preference": " Tie ", "reference": "참고"}]
    assert read(file(*rows), {}, None) == [
        RatedPair("1", "문서", None, "가", "나", 1.0),
        RatedPair("1", "문서", None, "가", "나", 0.0),
        RatedPair("1", "문서", "참고", "가", "나", 0.5),
    ]


def test_rated_summaries_of_one_document_meet_each_other(file):
    rows = [{"document": text, "summary": name, "score": score} for text, name, score in (
        ("하나", "가", 3), ("둘", "라", 1), ("하나", "나", 5), ("하나", "다", 3.0), ("둘", "마", 0.5),
    )]  # fmt: skip
    assert verdicts(read(file(*rows), {}, None)) == [
        *(("가", "나", 0.0), ("가", "다", 0.5), ("나", "다", 1.0)),
        ("라", "마", 1.0),
    ]


CANDIDATES = {
    "id": "x",
    "document": "문서",
    "references": ["첫째", "둘째"],
    "candidates": [
        {"system": "M1", "summary": "가", "scores": {"coherence": 1.0, "fluency": 5.0}},
        {"system": "M2", "summary": "나", "scores": {"coherence": 2.0, "fluency": 3.0}},
        {"system": "M3", "summary": "다", "scores": {"coherence": 1 / 3, "fluency": 5 + 2 / 3}},
    ],
}


def test_one_id_of_two_documents_is_refused(file):
    """Their summaries would be held against each other."""
    rows = [{"id": 1, "document": name, "summary": name, "score": 1} for name in ("문서", "다른 문서")]
    with pytest.raises(Refusal, match=r":2: id: '1' stood for another document before"):
        read(file(*rows), {}, None)


def test_half_a_character_is_refused(file):
    with pytest.raises(Refusal, match=r":1: summary_a: is not UTF-8, or holds half a character"):
        read(file(PAIR | {"summary_a": "가\ud800"}, ensure_ascii=True), {}, None)


def test_candidates_in_one_row_by_the_mean_or_by_one_criterion(file):
    """Means 3, 2.5 and 3, the last by thirds; coherence 1, 2 and a third. The first reference is the one."""
    path = file(CANDIDATES)
    pairs = read(path, {}, None)
    assert verdicts(pairs) == [("가", "나", 1.0), ("가", "다", 0.5), ("나", "다", 0.0)]
    assert {(pair.id, pair.reference) for pair in pairs} == {("x", "첫째")}
    assert [pair.human for pair in read(path, {}, "coherence")] == [0.0, 1.0, 1.0]


def test_other_column_names_and_formats(tmp_path):
    rows = [{"article": "문서", "text": "가", "stars": "4"}, {"article": "문서", "text": "나", "stars": "2"}]
    names = {"document": "article", "summary": "text", "score": "stars"}
    (tmp_path / "set.csv").write_text("article,text,stars\n문서,가,4\n문서,나,2\n", encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "set.parquet")
    for name in ("set.csv", "set.parquet"):
        assert verdicts(read(tmp_path / name, names, None)) == [("가", "나", 1.0)]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (PAIR | {"preference": "left"}, r":1: preference: is 'left'; write a, b or tie"),
        (PAIR | {"summary_b": 3}, r":1: summary_b: is no text"),
        ({"document": "문서", "summary": "가"}, r":1: has the columns document, summary; give rows of"),
        ({"document": "문서", "summary": "가", "score": "good"}, r":1: score: is 'good'; write a number"),
        ({"document": "문서", "summary": "가", "score": float("nan")}, r":1: score: is nan"),
        ({"document": "문서", "summary": "가", "score": 1}, r"holds no two rated summaries of one document"),
        ({"document": "문서", "candidates": "가"}, r":1: candidates: is no list of objects"),
        ({"document": "문서", "candidates": []}, r":1: candidates: is empty; give its rated summaries"),
        ({"document": "\u200b ", "summary": "가", "score": 1}, r":1: document: is empty"),
        ({"document": "문서", "summary": "가", "score": True}, r":1: score: is True; write a number"),
        ({"document": "문서", "summary": "가", "score": 10**400}, r":1: score: is 1000"),
        (PAIR | {"references": "하나"}, r":1: references: is no list; name the column by --field"),
        (
            {"document": "문서", "candidates": [{"summary": "가", "scores": {}}]},
            r"scores: is no object of numbers",
        ),
        (["가"], r":1: not a JSON object"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_by_its_place(file, row, said):
    with pytest.raises(Refusal, match=rf"set.jsonl.*{said}"):
        read(file(row), {}, None)


def test_what_the_command_names_wrongly_is_refused(file, tmp_path):
    with pytest.raises(Refusal, match=r"--criterion is one of coherence, fluency"):
        read(file(CANDIDATES), {}, "brevity")
    with pytest.raises(Refusal, match=r"--field names no column 'text'; known are id, reference"):
        read(file(PAIR), {"text": "summary"}, None)
    with pytest.raises(Refusal, match=r"notes.txt: is no jsonl, csv or parquet file"):
        read(tmp_path / "notes.txt", {}, None)
    with pytest.raises(Refusal, match=r"none.jsonl: cannot be read"):
        read(tmp_path / "none.jsonl", {}, None)


def test_a_document_with_one_rated_summary_is_counted(file):
    rows = [{"document": "문서", "summary": text, "score": score} for text, score in (("가", 1), ("나", 2))]
    pairs, counts = rated.read(file(*rows, {"document": "외톨이", "summary": "다", "score": 3}), {}, None)
    assert (len(pairs), counts) == (1, {"alone": 1})
