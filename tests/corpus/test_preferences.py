"""A user's own preference rows: both forms, every format, each bad row told with its place."""

import json
import unicodedata

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.corpus.preferences import own_rows
from tasks.refusal import Refusal

GOOD = {"prompt": "글", "chosen": "좋은 요약", "rejected": "나쁜 요약"}
USER = {"role": "user", "content": "요약해"}


def chat(messages):
    return "".join(f"<{turn['role']}>{turn['content']}" for turn in messages) + "<assistant>"


def write(folder, *rows, name="pairs.jsonl"):
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / name).write_text("\n".join(lines), encoding="utf-8")
    return folder


def read(folder, *rows):
    return own_rows(write(folder, *rows), chat)


def test_a_row_of_text_is_taken_with_its_place_and_lengths(tmp_path):
    (row,), dropped = read(tmp_path, GOOD)
    assert row == {
        **GOOD,
        **{"id": "pairs.jsonl:1", "score_chosen": None, "score_rejected": None, "margin": None},
        **{"characters_chosen": 5, "characters_rejected": 5, "gold": None, "judge": None},
    }
    assert not dropped


def test_messages_go_through_the_chat_template_and_the_last_answer_is_the_completion(tmp_path):
    answers = [
        USER,
        {"role": "assistant", "content": "첫째"},
        USER,
        {"role": "assistant", "content": " 둘째 "},
    ]
    (row,), _ = read(tmp_path, {"prompt": [USER], "chosen": answers, "rejected": "나쁜 요약"})
    assert (row["prompt"], row["chosen"], row["rejected"]) == ("<user>요약해<assistant>", "둘째", "나쁜 요약")


def test_parquet_and_several_files_are_read_in_the_order_of_their_names(tmp_path):
    write(tmp_path, GOOD, name="b.jsonl")
    pq.write_table(
        pa.Table.from_pylist([GOOD | {"prompt": "둘"}, GOOD | {"prompt": "셋"}]), tmp_path / "a.parquet"
    )
    rows, _ = own_rows(tmp_path, chat)
    assert [(row["id"], row["prompt"]) for row in rows] == [
        ("a.parquet:1", "둘"),
        ("a.parquet:2", "셋"),
        ("b.jsonl:1", "글"),
    ]


def test_messages_in_parquet_are_messages(tmp_path):
    pq.write_table(pa.Table.from_pylist([GOOD | {"prompt": [USER]}]), tmp_path / "a.parquet")
    assert own_rows(tmp_path / "a.parquet", chat)[0][0]["prompt"] == "<user>요약해<assistant>"


def test_text_is_brought_to_nfc_and_a_bom_and_blank_lines_are_nothing(tmp_path):
    apart = {name: unicodedata.normalize("NFD", value) for name, value in GOOD.items()}
    (tmp_path / "p.jsonl").write_bytes(b"\xef\xbb\xbf\n" + json.dumps(apart).encode() + b"\r\n\n")
    (row,), counts = own_rows(tmp_path, chat)
    assert counts == {"mended": 1}
    assert {name: row[name] for name in GOOD} == GOOD
    assert row["id"] == "p.jsonl:2"


def test_rows_without_a_difference_or_without_text_are_counted_not_kept(tmp_path):
    bad = [
        GOOD | {"chosen": " 나쁜 요약 "},
        GOOD | {"chosen": "  "},
        GOOD | {"rejected": None},
        {"chosen": "x", "rejected": "y"},
    ]
    rows, dropped = read(tmp_path, GOOD, *bad)
    assert len(rows) == 1
    assert dropped == {"identical": 1, "empty": 3}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("{", r"pairs.jsonl:2: not JSON"),
        ("[1]", r"pairs.jsonl:2: not a JSON object \(list\); write one JSON object a line"),
        ("[" * 5000, r"pairs.jsonl:2: not JSON"),
        ('{"prompt": ' + "9" * 5000 + "}", r"pairs.jsonl:2: not JSON"),
        ('{"prompt": "가", "prompt": "나"}', r"pairs.jsonl:2: not JSON \(the name 'prompt' stands twice"),
        (
            r'{"prompt": "가", "chosen": "\ud800", "rejected": "나"}',
            r"pairs.jsonl:2: a lone surrogate \(U\+D800",
        ),
        (GOOD | {"prompt": 5}, "pairs.jsonl:2: prompt: is neither text nor messages"),
        (GOOD | {"prompt": ["요약해"]}, "pairs.jsonl:2: prompt: is neither text nor messages"),
        (GOOD | {"prompt": [{"role": "user"}]}, "pairs.jsonl:2: prompt: is neither text nor messages"),
        (
            GOOD | {"prompt": [{"role": "user", "content": [1]}]},
            "pairs.jsonl:2: prompt: is neither text nor messages",
        ),
        (
            GOOD | {"chosen": 5},
            "pairs.jsonl:2: chosen: is neither text nor messages with an assistant's answer",
        ),
        (
            GOOD | {"rejected": [USER]},
            "pairs.jsonl:2: rejected: is neither text nor messages with an assistant",
        ),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_with_its_line(row, told, tmp_path):
    with pytest.raises(Refusal, match=told):
        read(tmp_path, GOOD, row)


def test_a_file_without_a_usable_row_is_refused_with_the_counts(tmp_path):
    with pytest.raises(
        Refusal, match=r"holds no usable preference row \({'identical': 2}\); give rows of prompt"
    ):
        read(tmp_path, *[GOOD | {"rejected": GOOD["chosen"]}] * 2)


@pytest.mark.parametrize("name", ["none", "pairs.txt", "pairs"])
def test_a_place_without_preference_files_is_refused(name, tmp_path):
    (tmp_path / "pairs.txt").write_text("prompt,chosen,rejected")
    (tmp_path / "pairs").mkdir()
    with pytest.raises(Refusal, match=r"holds no .jsonl, .csv or .parquet file; put your rows there"):
        own_rows(tmp_path / name, chat)


def test_no_file_of_the_folder_is_passed_over(tmp_path):
    write(tmp_path, GOOD, name="A.JSONL")
    (tmp_path / "b.csv").write_text("prompt,chosen,rejected\n둘,가,나\n", encoding="utf-8")
    assert [row["id"] for row in own_rows(tmp_path, chat)[0]] == ["A.JSONL:1", "b.csv:2"]
    (tmp_path / "c.jsonl.gz").touch()
    with pytest.raises(Refusal, match=r"c.jsonl.gz: is packed, and its rows would be left out"):
        own_rows(tmp_path, chat)
    (tmp_path / "c.jsonl.gz").unlink()
    (tmp_path / "d.parquet").mkdir()
    with pytest.raises(Refusal, match=r"d.parquet: is no file"):
        own_rows(tmp_path, chat)


def test_an_answer_that_nobody_sees_is_empty(tmp_path):
    """As one of vaiv's: a zero-width space and a spelled end of text."""
    rows, counts = read(tmp_path, GOOD, GOOD | {"rejected": "\u200b<|endoftext|>"})
    assert (len(rows), counts) == (1, {"empty": 1})


def test_a_message_cannot_end_its_turn_and_a_template_that_refuses_names_the_row(tmp_path):
    spoken = [{"role": "user", "content": "요약해<|im_end|>"}]
    (row,), counts = read(tmp_path, GOOD | {"prompt": spoken})
    assert (row["prompt"], counts) == ("<user>요약해<assistant>", {"mended": 1})

    def refuse(messages):
        raise Refusal("models/sft", "its chat template refuses the messages (roles)", "mend the messages")

    with pytest.raises(Refusal, match=r"^pairs.jsonl:1: prompt: its chat template refuses"):
        own_rows(tmp_path, refuse)


@pytest.mark.parametrize(
    ("name", "told"), [("p.jsonl", "is UTF-16 or UTF-32"), ("p.parquet", "cannot be read")]
)
def test_bytes_that_are_no_text_and_no_table_are_refused(name, told, tmp_path):
    (tmp_path / name).write_bytes(b"\xff\xfe\x00PAR1")
    with pytest.raises(Refusal, match=told):
        own_rows(tmp_path, chat)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    for name in ("none.jsonl", "none.parquet"):
        with pytest.raises(Refusal, match=f"{name}: cannot be read"):
            own_rows(tmp_path / name, chat)
