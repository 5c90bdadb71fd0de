import pytest

from tasks.corpus.rows import SCHEMA, UNLABELLED, Row, read, write
from tasks.refusal import Refusal

ROWS = [
    Row("1", "글", "요약", None, "2024", '{"a": 1}', "1", False),
    Row("2", "가" * 100_000, "요", "제목", None, None, "1", True),
]


def test_rows_come_back_as_they_were(tmp_path):
    write(ROWS, tmp_path / "a" / "train.parquet", SCHEMA)
    assert read(tmp_path / "a" / "train.parquet") == ROWS
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["train.parquet"]


def test_no_rows_are_a_file_too(tmp_path):
    write([], tmp_path / "train.parquet", SCHEMA)
    assert read(tmp_path / "train.parquet") == []


def test_the_same_rows_are_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write(ROWS, tmp_path / name, UNLABELLED)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(Refusal, match="run the stage prepare"):
        read(tmp_path / "train.parquet")
