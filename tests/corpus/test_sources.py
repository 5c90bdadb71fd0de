import json

import datasets
import pytest

from tasks.corpus import sources
from tasks.corpus.records import Record
from tasks.refusal import Refusal
from tasks.sections.documents import EmbeddedSource, FileSource, HubSource

FIELDS = {"document": "document", "summary": "summary", "id": None, "title": None, "date": None}
SPLIT = {"by": "document", "validation": 0.1, "test": 0.1, "seed": 0}


def files(by="document", **fields):
    given = {"kind": "files", "fields": FIELDS | fields, "split": SPLIT | {"by": by}, "max_train": None}
    return FileSource.model_validate(given)


def hub(by="given", **changed):
    given = {"kind": "hub", "id": "someone/news", "revision": "a" * 40, "max_train": None}
    return HubSource.model_validate(given | {"fields": FIELDS, "split": SPLIT | {"by": by}} | changed)


def write(path, *rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


ROW = {"document": "글", "summary": "요약"}


def test_dotted_names_reach_into_objects_and_a_flat_name_with_a_dot_wins():
    row = {"input": {"conversation": [1], "x": None}, "a.b": 2, "a": {"b": 3}}
    assert sources.pick(row, "input.conversation") == [1]
    assert sources.pick(row, "a.b") == 2
    assert sources.pick(row, "input.x") is None
    assert sources.pick(row, "input.x.y") is sources.NO_FIELD


def test_a_file_or_a_folder_and_hidden_or_foreign_files_do_not_matter(tmp_path):
    path = write(tmp_path / "b.jsonl", ROW, ROW)
    (tmp_path / "a.csv").write_text("document,summary\n가,나\n", encoding="utf-8")
    (tmp_path / ".gitkeep").touch()
    (tmp_path / "README.md").touch()
    assert [record.place for record in sources.records(files(), str(path))] == [f"{path}:1", f"{path}:2"]
    places = [record.place for record in sources.records(files(), str(tmp_path))]
    assert places == [f"{tmp_path}/a.csv:2", f"{path}:1", f"{path}:2"]


def test_given_splits_are_read_by_name_tests_first(tmp_path):
    for name in ("train-1.jsonl", "train-2.jsonl", "Validation.jsonl", "test.jsonl", "other.jsonl"):
        write(tmp_path / name, ROW)
    splits = [record.split for record in sources.records(files("given"), str(tmp_path))]
    assert splits == ["test", "validation", "train", "train"]


def test_a_missing_split_is_refused_with_what_there_is(tmp_path):
    for name in ("train.jsonl", "dev.jsonl", "test.jsonl"):
        write(tmp_path / name, ROW)
    with pytest.raises(Refusal, match=r"split validation \(there is: dev.jsonl, test.jsonl, train.jsonl\)"):
        list(sources.records(files("given"), str(tmp_path)))


@pytest.mark.parametrize("make", ["nothing", "empty", "foreign"])
def test_no_file_to_read_is_refused(tmp_path, make):
    folder = tmp_path / "documents"
    if make != "nothing":
        folder.mkdir()
    if make == "foreign":
        (folder / "a.json").touch()
    with pytest.raises(Refusal, match=r"documents: (does not exist|no jsonl, csv or parquet file)"):
        list(sources.records(files(), str(folder)))


def test_a_missing_csv_column_stops_before_any_row_and_names_the_nearest(tmp_path):
    (tmp_path / "a.csv").write_text("fname,dialogue,sumary\n1,2,3\n", encoding="utf-8")
    with pytest.raises(Refusal) as refusal:
        next(sources.records(files(document="dialogue"), str(tmp_path)))
    assert refusal.value.cause == "no field 'summary' (there is: fname, dialogue, sumary)"
    assert refusal.value.cure == "set prepare.source.fields.summary to sumary"


def test_a_field_that_no_json_line_has_stops_and_names_nested_ones(tmp_path):
    write(tmp_path / "a.jsonl", {"input": {"conversation": []}, "output": "가"}, {"id": 1})
    with pytest.raises(
        Refusal, match=r"there is: input, input.conversation, output, id\); .*input.conversation"
    ):
        list(sources.records(files(document="input.conversatoin", summary="output"), str(tmp_path)))


def test_a_field_that_some_json_lines_lack_is_null_there(tmp_path):
    write(tmp_path / "a.jsonl", ROW, {"document": "글"})
    assert [record.values["summary"] for record in sources.records(files(), str(tmp_path))] == ["요약", None]


def test_a_byte_order_mark_is_noted_once(tmp_path):
    path = write(tmp_path / "a.jsonl", ROW, ROW)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert [record.notes["byte_order_marks"] for record in sources.records(files(), str(path))] == [1, 0]


def test_the_embedded_corpus_is_cut_in_slices_and_more_training_rows_leave_the_tests_alone():
    def drawn(train):
        source = {"kind": "embedded", "seed": 3, "train": train, "validation": 2, "test": 3, "unlabelled": 2}
        return list(sources.records(EmbeddedSource.model_validate(source), ""))

    few, many = drawn(4), drawn(6)
    assert [record.split for record in few] == ["test"] * 3 + ["validation"] * 2 + ["train"] * 4 + [
        "unlabelled"
    ] * 2
    assert few[:9] == many[:9]
    assert json.loads(few[0].values["facts"])
    assert len({record.values["id"] for record in few}) == len(few)


def hub_serves(monkeypatch, loaded):
    asked = []

    def load_dataset(*names, **settings):
        asked.append((names, settings))
        if isinstance(loaded, Exception):
            raise loaded
        return loaded

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return asked


def dataset(*texts):
    return datasets.Dataset.from_list([{"document": text, "summary": "요약", "other": 1} for text in texts])


def test_a_hub_dataset_is_read_at_its_revision_without_remote_code(monkeypatch):
    loaded = datasets.DatasetDict(
        {"train": dataset("가", "나"), "validation": dataset("다"), "test": dataset("라")}
    )
    asked = hub_serves(monkeypatch, loaded)
    found = list(sources.records(hub(), ""))
    assert asked == [(("someone/news",), {"revision": "a" * 40})]
    assert all(isinstance(record, Record) for record in found)
    assert [(record.place, record.values["document"]) for record in found] == [
        ("someone/news/test:1", "라"),
        ("someone/news/validation:1", "다"),
        ("someone/news/train:1", "가"),
        ("someone/news/train:2", "나"),
    ]


def test_a_hub_dataset_without_the_split_or_the_field_is_refused(monkeypatch):
    hub_serves(monkeypatch, datasets.DatasetDict({"train": dataset("가")}))
    with pytest.raises(Refusal, match=r"no split test \(there is: train\)"):
        list(sources.records(hub(), ""))
    with pytest.raises(
        Refusal, match=r"someone/news/train: no field 'text' \(there is: document, summary, other\)"
    ):
        list(sources.records(hub("document", fields=FIELDS | {"document": "text"}), ""))
    assert [record.split for record in sources.records(hub("document"), "")] == [None]


@pytest.mark.parametrize(
    "error", [ConnectionError("no way\nto the Hub"), ValueError("config name is missing")]
)
def test_a_hub_that_does_not_answer_is_one_line(monkeypatch, error):
    hub_serves(monkeypatch, error)
    with pytest.raises(Refusal, match="someone/news@aaaaaaa: cannot be loaded") as refusal:
        list(sources.records(hub(), ""))
    assert "\n" not in str(refusal.value)


def test_a_hub_id_that_is_a_local_path_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "news").mkdir()
    with pytest.raises(Refusal, match="names a path of this machine"):
        list(sources.records(hub(id="news"), ""))
