import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.corpus import formats
from tasks.refusal import Refusal


def read(path):
    """Numbers of the lines that were read, and (number, cause) of those refused."""
    found = list(formats.lines(path))
    good = [(number, line) for number, line in found if not isinstance(line, Refusal)]
    return good, [(number, line) for number, line in found if isinstance(line, Refusal)]


def test_jsonl_refuses_lines_by_number_and_reads_the_others(tmp_path):
    path = tmp_path / "train.jsonl"
    bad = [
        b"[1, 2]",
        b"{",
        b'"text"',
        b"[" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": "\xc0"}',
        b"\0\0",
    ]
    good = ["가", "나", "다", "라", "마", "바"]
    rows = [json.dumps({"a": text}, ensure_ascii=False).encode() for text in good]
    path.write_bytes(b"\xef\xbb\xbf" + b"\n".join([*rows, b"", *bad]) + b"\r\n")
    read_lines, refused = read(path)
    assert [line["a"] for _, line in read_lines] == good
    assert [number for number, _ in refused] == list(range(8, 15))
    assert refused[0][1].place == f"{path}:8"
    assert "not a JSON object (list)" in refused[0][1].cause
    assert "not UTF-8 (byte 0xc0)" in refused[5][1].cause
    assert formats.has_mark(path)


def test_jsonl_lines_end_at_newlines_only_and_may_hold_raw_control_characters(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes('{"a": "가\u2028나\x08\x00\x85다"}\r\n'.encode())
    assert read(path) == ([(1, {"a": "가\u2028나\x08\x00\x85다"})], [])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "euc-kr", "latin-1"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_a_file_in_another_encoding_is_refused_with_the_cure(tmp_path, encoding, name):
    path = tmp_path / name
    text = '"é","è"\n' if encoding == "latin-1" else 'document,summary\n"문서입니다","요약"\n'
    path.write_bytes((text * 20).encode(encoding))
    with pytest.raises(Refusal, match="convert the file to UTF-8") as refusal:
        list(formats.lines(path))
    assert str(path) in refusal.value.place
    assert ("EUC-KR" in refusal.value.cause) == (encoding == "euc-kr")


def test_csv_reads_line_breaks_in_quotes_and_tells_where_a_record_starts(tmp_path):
    path = tmp_path / "dev.csv"
    text = '\ufeffdocument,summary\r\n"#Person1#: 안녕\r\n#Person2#: 네","둘이 ""인사""한다"\r\n'
    text += '\r\n"하나"\r\n가\x00나,다\r\n'
    path.write_bytes(text.encode())
    good, refused = read(path)
    assert good == [
        (2, {"document": "#Person1#: 안녕\r\n#Person2#: 네", "summary": '둘이 "인사"한다'}),
        (6, {"document": "가\x00나", "summary": "다"}),
    ]
    assert refused[0][1].place == f"{path}:5"
    assert "(1, not 2)" in refused[0][1].cause


def test_csv_takes_a_giant_field(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(f"document,summary\n{'가' * 300_000},나\n", encoding="utf-8")
    assert len(read(path)[0][0][1]["document"]) == 300_000


@pytest.mark.parametrize("body", ['"가,나\n', '"가"나,다\n'])
def test_csv_with_a_lost_quote_stops_at_its_record(tmp_path, body):
    path = tmp_path / "a.csv"
    path.write_text("document,summary\n하나,둘\n" + body, encoding="utf-8")
    with pytest.raises(Refusal, match=r"a.csv:3: not CSV"):
        read(path)


@pytest.mark.parametrize(
    ("text", "cause"), [("", "no header"), ("a,a\n1,2\n", "two columns"), ('"a', "not CSV")]
)
def test_csv_needs_a_header_with_names_that_differ(tmp_path, text, cause):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(Refusal, match=cause):
        formats.columns(path)
    with pytest.raises(Refusal, match=cause):
        read(path)


def test_a_broken_byte_in_csv_stays_a_lone_surrogate_for_cleaning_to_refuse(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("document,summary\n가나다,라\n마바사,아\n".encode() + b"\xc0,x\n")
    assert read(path)[0][2][1]["document"] == "\udcc0"


def test_parquet_gives_nested_rows_and_refuses_text_that_is_not_utf8(tmp_path):
    path = tmp_path / "a.parquet"
    broken = pa.array([b"\xea\xb0\x80", b"\xff", b"a"]).view(pa.string())
    turns = pa.array([[{"speaker": 1, "text": "가"}], None, []])
    pq.write_table(pa.table({"document": broken, "turns": turns}), path)
    assert formats.columns(path) == ["document", "turns"]
    good, refused = read(path)
    assert [number for number, _ in good] == [1, 3]
    assert good[0][1] == {"document": "가", "turns": [{"speaker": 1, "text": "가"}]}
    assert refused[0][1].place == f"{path}:2"


def test_a_parquet_file_that_is_none_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 but no more")
    with pytest.raises(Refusal, match="cannot be read"):
        formats.columns(path)
    with pytest.raises(Refusal, match="cannot be read"):
        read(path)


def test_a_file_that_vanishes_is_refused(tmp_path):
    for name in ("a.jsonl", "a.csv", "a.parquet"):
        with pytest.raises(Refusal, match=f"{name}: cannot be read"):
            list(formats.lines(tmp_path / name))
    with pytest.raises(Refusal, match=r"gone.jsonl: cannot be read"):
        formats.has_mark(tmp_path / "gone.jsonl")
