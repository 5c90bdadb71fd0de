import json
import tempfile
from contextlib import chdir
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import prepare
from tasks.corpus import dialogues
from tasks.corpus.rows import read
from tasks.refusal import Refusal
from tasks.sections.documents import Own, Prepare

EMBEDDED = {"kind": "embedded", "seed": 1, "train": 60, "validation": 10, "test": 20, "unlabelled": 15}
FIELDS = {"document": "document", "summary": "summary", "id": "id", "title": None, "date": None}
OWN = Own.model_validate(dict.fromkeys(Own.model_fields, "") | {"documents": "data/own/documents"})


def files(by="given", max_train=None, validation=0.1, test=0.1, **fields):
    split = {"by": by, "validation": validation, "test": test, "seed": 0}
    return {"kind": "files", "fields": FIELDS | fields, "split": split, "max_train": max_train}


def section(source, **changed):
    given = {"source": source, "max_document_characters": 600, "long_documents": "error"}
    return Prepare.model_validate(
        given | {"near_duplicate_similarity": 0.9, "max_reject_share": 0.5} | changed
    )


def write(name, *rows):
    path = Path("data/own/documents") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def row(number, document=None, **more):
    return {
        "id": number,
        "document": document or f"{number}번째 글은 {number * 7919}에 대해 말한다.",
        "summary": f"글 {number}",
        **more,
    }


def three(train):
    write("train.jsonl", *train)
    write("validation.jsonl", row(1000))
    write("test.jsonl", row(2000))


def rejects():
    return [json.loads(line) for line in Path("data/prepared/rejects.jsonl").read_text("utf-8").splitlines()]


def rows(split):
    return read(Path(f"data/prepared/{split}.parquet"))


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_embedded_corpus_becomes_four_files_with_facts_and_without_leaks():
    metrics = prepare.run(section(EMBEDDED), OWN)
    assert {path.name for path in Path("data/prepared").iterdir()} == {
        *(f"{split}.parquet" for split in ("train", "validation", "test", "unlabelled")),
        "rejects.jsonl",
        "report.json",
    }
    assert metrics["rows_test"] == len(rows("test")) == 20
    assert metrics["rows_train"] == len(rows("train"))
    assert metrics["rows_read"] == 105
    assert all(json.loads(one.facts) for one in rows("train"))
    drawn = {one.id: (one.document, one.summary) for one in dialogues.generate(1, 90)}
    assert all(drawn[one.id] == (one.document, one.summary) for one in rows("train") + rows("test"))
    tests = {one.document for split in ("validation", "test") for one in rows(split)}
    assert not tests & {one.document for one in rows("train")}
    assert json.loads(Path("data/prepared/report.json").read_text("utf-8"))["metrics"] == metrics
    assert all(value is None or isinstance(value, (int, float, str)) for value in metrics.values())


def test_the_same_parameters_give_the_same_bytes():
    def made():
        prepare.run(section(EMBEDDED), OWN)
        return {path.name: path.read_bytes() for path in Path("data/prepared").iterdir()}

    assert made() == made()


def test_unlabelled_documents_are_those_of_training_and_further_ones():
    metrics = prepare.run(section(EMBEDDED), OWN)
    table = pq.read_table("data/prepared/unlabelled.parquet")
    assert table.column_names == ["id", "document"]
    assert metrics["rows_unlabelled"] == table.num_rows == metrics["rows_train"] + 15
    assert len(set(table["id"].to_pylist())) == table.num_rows


def test_an_unlabelled_document_that_is_a_test_is_left_out(monkeypatch):
    generate = dialogues.generate

    def generate_again(seed, count):
        found = generate(1, count)
        return (
            found if seed == 1 else [type(one)(f"u{one.id}", *list(vars(one).values())[1:]) for one in found]
        )

    monkeypatch.setattr(dialogues, "generate", generate_again)
    metrics = prepare.run(section(EMBEDDED), OWN)  # the first 15 dialogues are tests
    assert metrics["unlabelled_rows_equal_to_a_test"] == 15
    assert metrics["rows_unlabelled"] == metrics["rows_train"]


def test_every_refused_row_is_told_and_the_rest_is_kept():
    bad = [
        row(1),
        {"id": 2, "document": "글"},
        row(3, "\u200b"),
        row(4, "글 4"),
        row(1, "또 다른 글"),
        row(5, "가\ud83d"),
        row(6, None, summary="<|endoftext|>\u200b"),
        row(2000, "시험의 번호를 쓰는 글"),
    ]
    Path("data/own/documents").mkdir(parents=True)
    three([])
    text = "".join(json.dumps(one) + "\n" for one in bad) + "[]\nnonsense\n"
    Path("data/own/documents/train.jsonl").write_text(text, encoding="utf-8")
    metrics = prepare.run(section(files(), max_reject_share=0.9), OWN)
    assert [one.id for one in rows("train")] == ["1"]
    assert [one["place"] for one in rejects()] == [
        f"data/own/documents/train.jsonl:{n}" for n in range(2, 11)
    ]
    assert all(one["cause"] and one["cure"] for one in rejects())
    assert (metrics["rows_read"], metrics["rejected"], metrics["reject_share"]) == (12, 9, 0.75)
    told = json.loads(Path("data/prepared/report.json").read_text("utf-8"))
    assert sum(told["refused"].values()) == 9
    assert told["rows_kept"]["data/own/documents/train.jsonl"] == 1


def test_too_many_refused_rows_stop_it_and_the_rejects_are_there():
    three([row(1), {"id": 2, "document": "글"}, {"id": 3, "document": "글"}])
    with pytest.raises(
        Refusal, match=r"train.jsonl:2: 2 of 5 rows are refused .*see data/prepared/rejects.jsonl"
    ):
        prepare.run(section(files(), max_reject_share=0.39), OWN)
    assert len(rejects()) == 2
    assert not Path("data/prepared/train.parquet").exists()


def test_training_rows_like_a_test_row_are_refused_and_counted():
    long = "서울시는 올해 상반기에 새 도서관을 열기로 하고 주민의 뜻을 묻는 자리를 세 번 마련했다. " * 3
    three([row(1, long), row(2, long + "끝"), row(3), row(4)])
    write("test.jsonl", row(2000, long + "끝"))
    metrics = prepare.run(section(files()), OWN)
    assert [one.id for one in rows("train")] == ["3", "4"]
    assert [one["cause"] for one in rejects()] == [
        "near duplicate of test row (2000)",
        "exact duplicate of test row (2000)",
    ]
    assert (metrics["exact_duplicates"], metrics["near_duplicates"], metrics["rejected"]) == (1, 1, 2)


def test_duplicates_in_one_split_stay_and_share_a_group():
    three([row(1, "같은 글이 두 번 왔다"), row(2, "같은  글이 두 번 왔다"), row(3)])
    metrics = prepare.run(section(files()), OWN)
    assert [one.group for one in rows("train")] == ["1", "1", "3"]
    assert metrics["exact_duplicates"] == 1


def test_one_file_is_split_by_document_and_by_date():
    write("all.jsonl", *(row(n, day=f"2024-01-{n + 1:02}") for n in range(20)))
    metrics = prepare.run(section(files("document", test=0.2)), OWN)
    assert [metrics[f"rows_{split}"] for split in ("train", "validation", "test")] == [14, 2, 4]
    prepare.run(section(files("date", test=0.2, date="day")), OWN)
    assert sorted(one.date for one in rows("test")) == [f"2024-01-{n}" for n in (17, 18, 19, 20)]
    assert sorted(one.date for one in rows("validation")) == ["2024-01-15", "2024-01-16"]


def test_by_date_a_row_without_date_is_refused():
    write("all.jsonl", *(row(n, day=f"2024-01-{n + 1:02}") for n in range(9)), row(9, day="언젠가"))
    prepare.run(section(files("date", date="day")), OWN)
    assert [one["place"] for one in rejects()] == ["data/own/documents/all.jsonl:10"]


def test_without_a_test_share_there_is_an_empty_test_file():
    write("all.jsonl", *(row(n) for n in range(9)))
    assert prepare.run(section(files("document", test=0.0)), OWN)["rows_test"] == 0
    assert rows("test") == []


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        (files("date"), "fields.date is null"),
        (files("document", validation=0.5, test=0.5), "no row to train on"),
        (files(), "does not exist"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_read(source, cause):
    with pytest.raises(Refusal, match=cause):
        prepare.run(section(source), OWN)
    assert not Path("data/prepared").exists()


def test_a_source_or_split_without_usable_row_is_refused():
    write("train.jsonl")
    with pytest.raises(Refusal, match="data/own/documents: has no row"):
        prepare.run(section(files("document")), OWN)
    three([row(1)])
    write("validation.jsonl", row(2, "\u200b"))
    with pytest.raises(Refusal, match="no usable row for validation"):
        prepare.run(section(files()), OWN)


def test_max_train_draws_from_what_is_left_after_cleaning():
    three([row(n) for n in range(30)])
    metrics = prepare.run(section(files(max_train=10)), OWN)
    assert metrics["rows_train"] == metrics["rows_unlabelled"] == len(rows("train")) == 10
    assert metrics["train_rows_not_sampled"] == 20
    assert [int(one.id) for one in rows("train")] == sorted(int(one.id) for one in rows("train"))


@pytest.mark.parametrize(("policy", "kept"), [("truncate", 3), ("drop", 2)])
def test_long_documents_are_cut_or_dropped(policy, kept):
    three([row(1), row(2), row(3, "한 문장이다. " * 60)])
    metrics = prepare.run(section(files(), max_document_characters=100, long_documents=policy), OWN)
    assert (metrics["rows_train"], metrics["truncated"]) == (kept, kept - 2)
    assert metrics["rejected"] == 3 - kept
    assert max(len(one.document) for one in rows("train")) <= 100


def test_a_long_document_stops_it_by_default_with_its_place():
    three([row(1), row(3, "한 문장이다. " * 60)])
    with pytest.raises(Refusal, match=r"train.jsonl:2: .*\(479, not 100\), the first of 1; "):
        prepare.run(section(files(), max_document_characters=100), OWN)


def test_dialogues_of_three_encodings_look_alike_and_are_counted():
    turns = [
        {"speaker": "지우", "utterance": "왔어?"},
        {"speaker": "민서", "utterance": "응"},
        {"utterance": "음"},
    ]
    three(
        [
            row(1, turns),
            row(2, "지우: 왔어?\r\n민서: 응\r\n지우: 좋아"),
            row(3, "#Person1#: 왔어?\n응"),
            row(4, ["하나.", None]),
        ]
    )
    prepare.run(section(files(), near_duplicate_similarity=1.0), OWN)
    assert [one.document for one in rows("train")] == [
        "지우: 왔어?\n민서: 응\n음",
        "지우: 왔어?\n민서: 응\n지우: 좋아",
        "#Person1#: 왔어?\n응",
        "하나.",
    ]
    noted = json.loads(Path("data/prepared/report.json").read_text("utf-8"))["noted"]
    assert noted["unparsed_turns"] == {"rows": 2, "times": 2}
    assert noted["turns"] == {"rows": 3, "times": 6}
    assert (noted["line_breaks"]["rows"], noted["null_sentences"]["rows"]) == (1, 1)


def test_a_summary_longer_than_its_document_is_kept_and_counted():
    three([row(1, "짧다", summary="짧다는 말을 길게 한다"), row(2)])
    assert prepare.run(section(files()), OWN)["summaries_longer_than_document"] == 1


def test_nikl_rows_nest_their_turns():
    talk = [
        {"speaker": "SD2000001", "utterance": "산이 좋아요."},
        {"speaker": "SD2000002", "utterance": "저도요."},
    ]
    nikl = [
        {"id": f"nikluge-{n}", "input": {"conversation": talk[: n + 1]}, "output": f"산 {n}"} for n in (0, 1)
    ]
    write("a.jsonl", *nikl, {"id": "nikluge-2", "input": {"conversation": talk}, "output": ""})
    source = files("document", validation=0.0, test=0.0, document="input.conversation", summary="output")
    prepare.run(section(source), OWN)
    assert rows("train")[1].document == "SD2000001: 산이 좋아요.\nSD2000002: 저도요."
    assert [one["cause"] for one in rejects()] == ["the summary is empty after cleaning"]


def test_a_csv_with_crlf_in_quotes_keeps_its_dialogues_whole():
    Path("a.csv").write_bytes(
        "\ufefffname,dialogue,summary,topic\r\n"
        'train_0,"#Person1#: 안녕\r\n#Person2#: 네\x08",둘이 인사한다,인사\r\n'.encode()
    )
    source = files("document", validation=0.0, test=0.0, document="dialogue", id="fname", title="topic")
    prepare.run(section(source), OWN.model_copy(update={"documents": "a.csv"}))
    (only,) = rows("train")
    assert (only.id, only.document, only.title) == ("train_0", "#Person1#: 안녕\n#Person2#: 네", "인사")
    noted = json.loads(Path("data/prepared/report.json").read_text("utf-8"))["noted"]
    assert {name for name, count in noted.items() if count["rows"]} == {
        *("byte_order_marks", "control_characters", "dialogues", "line_breaks", "turns"),
    }


def test_a_training_summary_that_a_test_has_too_is_counted():
    three([row(1, summary="같은 요약"), row(2)])
    write("test.jsonl", row(2000, summary="같은  요약"))
    assert prepare.run(section(files()), OWN)["train_summaries_found_in_tests"] == 1


WORDS = st.text(st.sampled_from("가나다라 <s>/|\n\r\x00\u200b\ud83d:#"), max_size=30)
VALUE = st.none() | st.integers(-3, 3) | WORDS | st.lists(st.none() | WORDS, max_size=3)
TURNS = st.lists(st.fixed_dictionaries({"speaker": VALUE, "text": VALUE}), max_size=3)
LINE = st.fixed_dictionaries(
    {}, optional={"id": VALUE, "document": WORDS | VALUE | TURNS, "summary": WORDS | VALUE}
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(LINE | st.integers() | st.binary(max_size=6), max_size=8),
    st.sampled_from(["drop", "truncate"]),
    st.sampled_from(["document", "date"]),
)
def test_every_row_is_kept_or_refused_and_nothing_else_happens(lines, policy, by):
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        lines = [row("first", "이것은 첫째 글"), *lines]
        Path("documents.jsonl").write_bytes(
            b"\n".join(
                line.replace(b"\n", b"") if isinstance(line, bytes) else json.dumps(line).encode()
                for line in lines
            )
        )
        source = files(by, validation=0.0, test=0.0, date="id" if by == "date" else None)
        given = section(source, max_document_characters=20, long_documents=policy, max_reject_share=1.0)
        try:
            metrics = prepare.run(given, OWN.model_copy(update={"documents": "documents.jsonl"}))
        except Refusal as refusal:
            assert refusal.cause.startswith(("no usable row", "not UTF-8", "is UTF-16"))  # noqa: PT017
            return
        assert metrics["rows_read"] == metrics["rows_train"] + metrics["rejected"]
        assert len(rows("train")) == metrics["rows_train"]
        assert len({one["place"] for one in rejects()}) == metrics["rejected"]
