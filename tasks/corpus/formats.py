"""Files of rows: jsonl, csv and parquet, read strictly, with the line (or row) number of each."""

from __future__ import annotations

import codecs
import csv
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.refusal import Refusal

PACKED = {".gz", ".bz2", ".xz", ".zst", ".zip", ".7z"}
Line = tuple[int, dict[str, Any] | Refusal]  # a row's mapping, or why there is none

CONVERT = "convert the file to UTF-8 (iconv -f CP949 -t UTF-8, say)"
_WIDEST_FIELD = 2**31 - 1  # csv's own limit of 131,072 characters is less than one council meeting
_FOREIGN_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def lines(path: Path) -> Iterator[Line]:
    """Each row of the file as a mapping, or its Refusal; a file that cannot be read raises one."""
    with readable(path):
        if path.suffix.lower() != ".parquet":
            _refuse_foreign(path)
        yield from READERS[path.suffix.lower()](path)


def files(path: Path, name: str) -> list[Path]:
    """The files of rows in a folder by their names, or the one that the path is; `name` says where it was given.

    A folder's other files are no rows; one whose rows would be left out (a subfolder, a packed file) is refused.
    """
    with readable(path):
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        found = [one for one in inside if one.suffix.lower() in READERS]
        other = next((one for one in found if not one.is_file()), None)
    if other is not None and path.is_dir():
        raise Refusal(str(other), "is no file", f"put the files themselves into {path}")
    if not found:
        raise Refusal(str(path), "holds no .jsonl, .csv or .parquet file", f"put your rows there ({name})")
    for one in found:
        refuse_unnamed(one)
    packed = next((one for one in inside if PACKED & {end.lower() for end in one.suffixes}), None)
    if packed is not None:
        raise Refusal(str(packed), "is packed, and its rows would be left out", "unpack it, or take it away")
    return found


def columns(path: Path) -> list[str] | None:
    """The names in the file's header; None for jsonl, where each line has its own."""
    if path.suffix.lower() == ".jsonl":
        return None
    with readable(path):
        if path.suffix.lower() == ".parquet":
            names = pq.read_schema(path).names
            _refuse_twice(names, str(path))
            return names
        _refuse_foreign(path)
        return _header(path)


def refuse_unnamed(path: Path) -> None:
    """Stops at a file whose name is not UTF-8: its rows' places could stand in no report."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as error:
        raise Refusal(str(path), "has a name that is not UTF-8", "rename the file") from error


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Makes a fault of the file system or of the format one line that names the file."""
    try:
        yield
    except (OSError, ValueError, pa.ArrowException) as error:  # ValueError: a path with a NUL
        cause = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise Refusal(str(path), f"cannot be read ({cause})", "mend or replace the file") from error


def has_mark(path: Path) -> bool:
    """True when the file starts with UTF-8's byte order mark, which is then left out."""
    with readable(path), path.open("rb") as file:
        return file.read(3) == codecs.BOM_UTF8


def _refuse_foreign(path: Path) -> None:
    """Stops at a text file in another encoding; a few broken lines are refused one by one later."""
    with path.open("rb") as file:
        head = file.read(4096)
        if head.startswith(_FOREIGN_MARKS) or 3 * head.count(0) > len(head) > 0:
            raise Refusal(
                str(path), "is UTF-16 or UTF-32", "convert the file to UTF-8 (iconv -f UTF-16 -t UTF-8, say)"
            )
        file.seek(0)
        number, foreign = 0, []
        for number, raw in enumerate(file, 1):
            if not raw.isascii() and not _decodes(raw, "utf-8"):
                foreign.append((number, _decodes(raw, "cp949")))
    if foreign and 2 * len(foreign) >= number:
        guess = "it looks like EUC-KR, " if foreign[0][1] else ""
        cause = f"not UTF-8 ({guess}{len(foreign)} of {number} lines)"
        raise Refusal(f"{path}:{foreign[0][0]}", cause, CONVERT)


def _decodes(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _jsonl(path: Path) -> Iterator[Line]:
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            raw = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
            if raw.strip():
                yield number, _object(raw, f"{path}:{number}")


def _object(raw: bytes, place: str) -> dict[str, Any] | Refusal:
    """The JSON object of a line; raw control characters pass here, cleaning counts them."""
    try:
        value = json.loads(raw.decode("utf-8"), strict=False, object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        return Refusal(place, f"not UTF-8 (byte 0x{raw[error.start]:02x})", "convert the line to UTF-8")
    except (ValueError, RecursionError) as error:
        return Refusal(place, f"not JSON ({str(error)[:100]})", "write one JSON object a line")
    if isinstance(value, dict):
        return value
    return Refusal(place, f"not a JSON object ({type(value).__name__})", "write one JSON object a line")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object; of a name that stands twice the first value would be lost without a word."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"the name {twice[:40]!r} stands twice")
    return found


def _csv(path: Path) -> Iterator[Line]:
    """Records by the line they start at; a byte that is not UTF-8 becomes a lone surrogate, refused later."""
    header = _header(path)
    before = csv.field_size_limit(_WIDEST_FIELD)
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.reader(file, strict=True)
            next(reader)
            yield from _csv_records(reader, header, path)
    finally:
        csv.field_size_limit(before)


def _csv_records(reader: Any, header: list[str], path: Path) -> Iterator[Line]:
    start = reader.line_num + 1
    try:
        for fields in reader:
            number, start = start, reader.line_num + 1
            if len(fields) == len(header):
                yield number, dict(zip(header, fields, strict=True))
            elif fields:
                cause = f"another number of fields than the header ({len(fields)}, not {len(header)})"
                yield (
                    number,
                    Refusal(f"{path}:{number}", cause, "quote fields that hold a comma or a line break"),
                )
    except csv.Error as error:  # where a quote is lost, all that follows would be read askew
        raise Refusal(f"{path}:{start}", f"not CSV ({error})", "mend the quotes of this record") from error


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        try:
            header = next(csv.reader(file, strict=True), None)
        except csv.Error as error:
            raise Refusal(f"{path}:1", f"not CSV ({error})", "mend the quotes of the header") from error
    if not header:
        raise Refusal(str(path), "has no header", "name the columns in the first line")
    _refuse_twice(header, f"{path}:1")
    return header


def _refuse_twice(names: list[str], place: str) -> None:
    """Stops at two columns of one name, of which a row could hold one alone."""
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise Refusal(place, f"two columns are named {twice!r}", "rename one")


def _parquet(path: Path) -> Iterator[Line]:
    number = 0
    with pq.ParquetFile(path) as file:
        _refuse_twice(file.schema_arrow.names, str(path))
        for batch in file.iter_batches(batch_size=256):
            for value in _values(batch):
                number += 1
                yield (
                    number,
                    value or Refusal(f"{path}:{number}", "the row cannot be read", "write the row again"),
                )


def _values(batch: pa.RecordBatch) -> list[dict[str, Any] | None]:
    """The rows as mappings; None for one that Python cannot hold, with text that is not UTF-8 say."""
    try:
        return batch.to_pylist()
    except (ValueError, OverflowError, pa.ArrowException):
        return [_value(batch.slice(i, 1)) for i in range(batch.num_rows)]


def _value(row: pa.RecordBatch) -> dict[str, Any] | None:
    try:
        return row.to_pylist()[0]
    except (ValueError, OverflowError, pa.ArrowException):
        return None


READERS = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
