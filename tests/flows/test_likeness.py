"""Files made again: which differences are another processor's, and which are another result."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from flows import likeness


@pytest.fixture
def both(tmp_path):
    """`both(suffix, write, old, new)`: the differences of two files, each written by `write(path, content)`."""

    def found(suffix, write, old, new):
        paths = tmp_path / f"old{suffix}", tmp_path / f"new{suffix}"
        for path, content in zip(paths, (old, new), strict=True):
            write(path, content)
        return likeness.differences(*paths)

    return found


def as_json(path, content):
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ({"loss": 2.0}, {"loss": 2.00019}, []),  # 1e-4 of 2 is 0.0002
        ({"loss": 2.0}, {"loss": 2.0003}, ["loss was 2.0 and is 2.0003"]),
        ({"loss": 0.0}, {"loss": 9e-7}, []),
        ({"rows": 10000}, {"rows": 10001}, ["rows was 10000 and is 10001"]),  # a count has no tolerance
        ({"verdict": "higher"}, {"verdict": "lower"}, ["verdict was 'higher' and is 'lower'"]),
        ({"weights_sha256": "a" * 64}, {"weights_sha256": "b" * 64}, []),  # of a file that is judged itself
        ({"a": [1.0, 2.0]}, {"a": [1.0]}, ["a was 2 entries and is 1 entries"]),
        ({"a": 1.0}, {}, ["a was 1.0 and is None"]),
        ({"a": True}, {"a": False}, ["a was True and is False"]),
    ],
)
def test_numbers_in_json(both, old, new, told):
    assert both(".json", as_json, old, new) == told


def test_a_curve_and_a_table_of_a_plot(both):
    def write(path, content):
        path.write_text(content)

    assert both(".jsonl", write, '{"loss": 1.0}\n{"loss": 0.5}\n', '{"loss": 1.0}\n{"loss": 0.6}\n') == [
        "line [1].loss was 0.5 and is 0.6"
    ]
    assert both(".csv", write, "model,gold\nsft,0.5\n", "model,gold\nsft,0.50001\n") == []
    assert both(".csv", write, "model,gold\nsft,0.5\n", "model,gold\ndpo,0.5\n") == [
        "line [1][0] was 'sft' and is 'dpo'"
    ]


def test_texts_have_no_tolerance_and_scores_have(both):
    old = pa.table({"prediction": ["가", "나"], "gold": [0.5, 0.6], "tokens": [3, 4]})
    near = pa.table({"prediction": ["가", "나"], "gold": [0.5, 0.60001], "tokens": [3, 4]})
    other = pa.table({"prediction": ["가", "다"], "gold": [0.5, 0.7], "tokens": [3, 4]})
    write = lambda path, table: pq.write_table(table, path)  # noqa: E731
    assert both(".parquet", write, old, near) == []
    assert both(".parquet", write, old, other) == [
        "1 of 2 values of prediction differ",
        "1 of 2 values of gold differ",
    ]
    assert both(".parquet", write, old, old.slice(1)) == ["2 rows of 3 columns then, 1 of 3 now"]


def test_weights(both):
    def write(path, content):
        save_file(content, path)

    old = {"w": np.array([1.0, -2.0], dtype=np.float32)}
    assert both(".safetensors", write, old, {"w": old["w"] * np.float32(1 + 5e-5)}) == []
    assert both(".safetensors", write, old, {"w": old["w"] + np.float32(0.5)}) == ["w differs by up to 0.5"]
    assert both(".safetensors", write, old, {"v": old["w"]}) == ["it holds other tensors"]


def test_a_file_of_another_kind_has_no_numbers(both):
    assert both(".txt", lambda path, content: path.write_text(content), "a", "b") is None


def test_three_differences_are_told_and_the_others_counted():
    assert likeness.told(["a", "b", "c", "d", "e"]) == "a; b; c; and 2 more"
    assert likeness.told(["a"]) == "a"
