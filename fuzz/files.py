"""Whole files that are not what their name says: encodings, torn tables, lost quotes; all their rows are good ones."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from fuzz.doors import Row

ENCODINGS = (
    *(
        "cp949",
        "euc_kr",
        "johab",
        "iso2022_kr",
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "utf-32",
        "utf-32-le",
        "utf-32-be",
    ),
    *("utf-7", "shift_jis", "gb18030", "big5", "cp1252", "latin-1", "utf-8-sig", "koi8-r", "hz"),
)
CUTS = 24  # places at which a table is torn
Line = dict[str, Row]


class File(NamedTuple):
    """A file of its kind; `whole`: whether it says all that the good rows say, so that they must all arrive."""

    kind: str
    name: str
    content: bytes
    whole: bool = True


def files(rows: Sequence[Row]) -> Iterator[File]:
    """Every file made of these good rows, in a fixed order."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    yield from _encoded(text, "a.jsonl")
    yield from _lines(text, rows)
    if all(isinstance(value, str) for row in rows for value in row.values()):
        table = _csv(rows)
        yield from _encoded(table, "a.csv")
        yield from _csvs(table, rows)
    yield from _parquets(rows)
    yield from _nonsense()


def _encoded(text: str, name: str) -> Iterator[File]:
    for encoding in ENCODINGS:
        yield File("encoding", name, text.encode(encoding, "replace"), whole=False)
    yield File("byte order mark", name, codecs.BOM_UTF8 + text.encode())
    yield File("byte order mark", name, codecs.BOM_UTF8 * 2 + text.encode(), whole=False)
    yield File("packed", f"{name}.gz", gzip.compress(text.encode()), whole=False)
    yield File("packed", name, bz2.compress(text.encode()), whole=False)
    raw = text.encode()
    for place in range(0, len(raw), max(1, len(raw) // CUTS)):
        yield File("broken byte", name, raw[:place] + b"\xff" + raw[place:], whole=False)
    for place in range(0, len(raw), max(1, len(raw) // CUTS)):
        yield File("NUL byte", name, raw[:place] + b"\x00" + raw[place:], whole=False)


def _lines(text: str, rows: Sequence[Row]) -> Iterator[File]:
    yield File("line ends", "a.jsonl", text.replace("\n", "\r\n").encode())
    yield File("line ends", "a.jsonl", text.replace("\n", "\r").encode(), whole=False)
    yield File("line ends", "a.jsonl", text.replace("\n", "\n\n \n").encode())
    yield File("line ends", "a.jsonl", text.rstrip("\n").encode())
    yield File("line ends", "A.JSONL", text.encode())
    yield File(
        "other form", "a.jsonl", json.dumps(list(rows), indent=1, ensure_ascii=False).encode(), whole=False
    )
    yield File("other form", "a.jsonl", json.dumps({"data": list(rows)}).encode(), whole=False)
    yield File("other form", "a.jsonl", text.replace('"', "'").encode(), whole=False)
    yield File("other form", "a.csv", text.encode(), whole=False)
    yield File("other form", "a.parquet", text.encode(), whole=False)


def _csv(rows: Sequence[Row], **form: str) -> str:
    opened = io.StringIO(newline="")
    writer = csv.DictWriter(opened, list(rows[0]), **form)  # type: ignore[arg-type]
    writer.writeheader()
    writer.writerows(rows)
    return opened.getvalue()


def _csvs(table: str, rows: Sequence[Row]) -> Iterator[File]:
    yield from (
        File("delimiter", "a.csv", _csv(rows, delimiter=sign).encode(), whole=False) for sign in ";\t|"
    )
    yield from (File("line ends", "a.csv", table.replace("\r\n", end).encode()) for end in ("\n", "\r\n\r\n"))
    head, _, body = table.partition("\r\n")
    yield File("no header", "a.csv", body.encode(), whole=False)
    yield File("header alone", "a.csv", head.encode(), whole=False)
    yield File("header twice", "a.csv", f"{head},{head.split(',')[0]}\r\n{body}".encode(), whole=False)
    yield File("header twice", "a.csv", f"{head}\r\n{head}\r\n{body}".encode(), whole=False)
    yield File("ragged", "a.csv", (table + "하나\r\n").encode())
    yield File("ragged", "a.csv", (table + "하나," * 20 + "\r\n").encode())
    yield File("ragged", "a.csv", table.replace("\r\n", ",\r\n").encode(), whole=False)
    for place in range(0, len(table), max(1, len(table) // CUTS)):
        yield File("lost quote", "a.csv", (table[:place] + '"' + table[place:]).encode(), whole=False)
    first = {**rows[0], next(iter(rows[0])): '가\r\n나, "다"\n라'}
    yield File("break in a field", "a.csv", _csv([*rows, first]).encode())
    yield File("giant field", "a.csv", _csv([*rows, {**first, next(iter(first)): "가" * 300_000}]).encode())


def _parquets(rows: Sequence[Row]) -> Iterator[File]:
    table = pa.Table.from_pylist(list(rows))
    raw = _stored(table)
    yield File("table", "a.parquet", raw)
    yield File("table", "A.PARQUET", raw)
    for place in range(0, len(raw), max(1, len(raw) // CUTS)):
        yield File("torn table", "a.parquet", raw[:place], whole=False)
    for place in (*range(0, 4), *range(len(raw) - 8, len(raw))):
        flipped = bytes([*raw[:place], raw[place] ^ 0xFF, *raw[place + 1 :]])
        yield File("torn table", "a.parquet", flipped, whole=False)
    name = table.column_names[0]
    twice = pa.table([table.column(0), *table.columns], [name, *table.column_names])
    yield File("column twice", "a.parquet", _stored(twice), whole=False)
    yield File("no rows", "a.parquet", _stored(table.slice(0, 0)), whole=False)
    yield File("no columns", "a.parquet", _stored(table.select([])), whole=False)
    for kind in (pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string())):
        if pa.types.is_string(table.column(0).type):
            column = table.column(0).combine_chunks().cast(kind)
            yield File("column type", "a.parquet", _stored(table.set_column(0, name, column)), whole=False)
    for values in ([None], [1.5], [True], [b"\xff"], [["가"]], [{"a": 1}]):
        column = pa.array(values * len(rows))
        yield File("column type", "a.parquet", _stored(table.set_column(0, name, column)), whole=False)
    broken = pa.array([b"\xff\xfe"] * len(rows)).view(pa.string())
    yield File("column type", "a.parquet", _stored(table.set_column(0, name, broken)), whole=False)


def _stored(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def _nonsense() -> Iterator[File]:
    for name in ("a.jsonl", "a.csv", "a.parquet"):
        yield from (
            File("empty", name, raw, whole=False)
            for raw in (b"", b"\n", b" \r\n\r\n", b"\xef\xbb\xbf", b"\x00" * 50)
        )
        for raw in (
            b"PAR1",
            b"PAR1PAR1",
            b"\x89PNG\r\n\x1a\n",
            b"PK\x03\x04",
            b"<!doctype html>",
            b"%PDF-1.7",
            b"\x80\x04.",
        ):
            yield File("other form", name, raw, whole=False)
        yield from (File("noise", name, _noise(seed), whole=False) for seed in range(6))


def _noise(seed: int) -> bytes:
    """Bytes without a pattern, the same on every machine."""
    state, found = seed + 1, bytearray()
    for _ in range(300):
        state = (1_103_515_245 * state + 12_345) % 2**31
        found.append(state >> 16 & 0xFF)
    return bytes(found)
