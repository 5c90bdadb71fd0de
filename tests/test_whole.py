"""A file is whole or as it was before: an end in the middle of a write changes nothing that anybody reads."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks import whole


def test_what_is_written_can_be_read_and_nothing_else_is_left(tmp_path):
    whole.text(tmp_path / "new/a.txt", "가나")
    whole.as_json(tmp_path / "new/b.json", {"b": 1, "a": "다"})
    whole.table(tmp_path / "new/c.parquet", pa.table({"id": [1, 2]}))
    assert (tmp_path / "new/a.txt").read_bytes() == "가나".encode()
    assert (tmp_path / "new/b.json").read_text() == '{\n  "a": "다",\n  "b": 1\n}\n'
    assert pq.read_table(tmp_path / "new/c.parquet")["id"].to_pylist() == [1, 2]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.txt", "b.json", "c.parquet"]


def test_an_end_in_the_middle_leaves_the_old_file_and_the_next_write_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    whole.text(path, "old")
    with pytest.raises(IsADirectoryError), whole.aside(path) as fresh:
        fresh.mkdir()  # what cannot be read as a file stands for whatever ends the write
    (tmp_path / ".a.txt.partial").rmdir()
    (tmp_path / ".a.txt.partial").write_text("ne")  # as a kill would leave it
    assert path.read_text() == "old"
    whole.text(path, "new")
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]


def test_a_link_into_a_cache_is_replaced_and_not_written_into(tmp_path):
    cached, path = tmp_path / "cached", tmp_path / "out"
    cached.write_text("old")
    os.link(cached, path)
    whole.text(path, "new")
    assert (cached.read_text(), path.read_text()) == ("old", "new")
