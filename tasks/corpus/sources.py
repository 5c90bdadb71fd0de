"""Where rows come from: the embedded corpus, files, or a dataset of the Hub."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.corpus import formats
from tasks.corpus.records import Record
from tasks.refusal import Refusal

if TYPE_CHECKING:  # the parameters stand above this floor; only their types are named here
    from tasks.sections.documents import EmbeddedSource, Fields, FileSource, HubSource

READING_ORDER = (
    "test",
    "validation",
    "train",
)  # of two rows with one id the first stays, so tests keep theirs
NO_FIELD = object()
_SHOWN_NAMES = 50  # rows looked at to tell which fields there are


def records(source: EmbeddedSource | FileSource | HubSource, documents: str) -> Iterator[Record | Refusal]:
    """Every row of the source in a fixed order, as a Record or as the Refusal of that row."""
    if source.kind == "embedded":
        return _embedded(source)
    return _files(source, Path(documents)) if source.kind == "files" else _hub(source)


def _embedded(source: EmbeddedSource) -> Iterator[Record]:
    """Slices of one generated sequence, tests first, so that more training rows leave the tests as they are.

    The unlabelled dialogues are generated from the next seed.
    """
    from tasks.corpus.dialogues import generate  # the other sources need no grammar

    drawn = iter(generate(source.seed, source.test + source.validation + source.train))
    for split in READING_ORDER:
        for number in range(1, getattr(source, split) + 1):
            yield _dialogue(next(drawn), f"embedded/{split}:{number}", split)
    for number, dialogue in enumerate(generate(source.seed + 1, source.unlabelled), 1):
        yield _dialogue(dialogue, f"embedded/unlabelled:{number}", "unlabelled")


def _dialogue(dialogue: Any, place: str, split: str) -> Record:
    facts = json.dumps(dialogue.facts, ensure_ascii=False, sort_keys=True)
    values = {"id": dialogue.id, "document": dialogue.document, "summary": dialogue.summary, "facts": facts}
    return Record(place, split, values, Counter())


def _files(source: FileSource, documents: Path) -> Iterator[Record | Refusal]:
    found = list(_paths(documents, source.split.by == "given"))
    for _, path in found:  # a wrong name stops here, before any file is read through
        formats.refuse_unnamed(path)
        known = formats.columns(path)
        if known is not None:
            _refuse_missing(str(path), source.fields, known, nested=True)
    for split, path in found:
        marks = Counter(byte_order_marks=int(formats.has_mark(path)))
        for record in _mapped(formats.lines(path), str(path), split, source.fields):
            if isinstance(record, Record) and marks:
                record, marks = Record(record.place, record.split, record.values, +marks), Counter[str]()
            yield record


def _paths(documents: Path, given: bool) -> Iterator[tuple[str | None, Path]]:
    """The files to read, each with its split; a folder's in order of name."""
    with formats.readable(documents):  # its name may be longer than any
        there = documents.exists()
    if not there:
        raise Refusal(
            str(documents), "does not exist", "put your files there, or name their path in own.documents"
        )
    with formats.readable(documents):
        inside = sorted(documents.iterdir()) if documents.is_dir() else [documents]
        found = [path for path in inside if path.suffix.lower() in formats.READERS and path.is_file()]
    shown = ", ".join(path.name for path in inside if not path.name.startswith("."))[:200] or "nothing"
    if not found:
        cause = f"no jsonl, csv or parquet file (there is: {shown})"
        raise Refusal(str(documents), cause, "put your documents there as jsonl, csv or parquet")
    if not given:
        yield from ((None, path) for path in found)
        return
    for split in READING_ORDER:
        of_split = [path for path in found if path.name.lower().startswith(split)]
        if not of_split:
            cure = f"name a file {split}.jsonl, or set prepare.source.split.by to document or date"
            raise Refusal(str(documents), f"no file of the split {split} (there is: {shown})", cure)
        yield from ((split, path) for path in of_split)


def _hub(source: HubSource) -> Iterator[Record | Refusal]:
    """The dataset at the pinned revision; HF_ENDPOINT, HF_HOME and HF_HUB_OFFLINE are the library's own."""
    import datasets  # a second of import that only this source needs
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import HfHubHTTPError

    if Path(source.id).exists():
        raise Refusal(
            f"prepare.source.id {source.id}",
            "names a path of this machine",
            "set prepare.source.kind to files",
        )
    datasets.disable_progress_bars()
    try:
        loaded = datasets.load_dataset(source.id, revision=source.revision)
    except (OSError, ValueError, RuntimeError, DatasetsError, HfHubHTTPError) as error:
        cause = f"cannot be loaded ({' '.join(str(error).split())[:300]})"
        cure = "check id, revision and the way to the Hub (HF_ENDPOINT, HF_TOKEN)"
        raise Refusal(f"{source.id}@{source.revision[:7]}", cause, cure) from error
    given = source.split.by == "given"
    absent = [split for split in READING_ORDER if split not in loaded] if given else []
    if absent:
        cause = f"no split {absent[0]} (there is: {', '.join(map(str, loaded))})"
        raise Refusal(source.id, cause, "set prepare.source.split.by to document or date")
    for split in READING_ORDER if given else sorted(map(str, loaded)):
        place = f"{source.id}/{split}"
        _refuse_missing(place, source.fields, list(loaded[split].column_names), nested=True)
        rows = ((number, dict(row)) for number, row in enumerate(loaded[split], 1))
        yield from _mapped(rows, place, split if given else None, source.fields)


def _names(fields: Fields) -> dict[str, str]:
    """The mapped fields: our name to the source's."""
    return {field: column for field, column in fields.model_dump().items() if column is not None}


def _mapped(
    lines: Iterable[formats.Line], place: str, split: str | None, fields: Fields
) -> Iterator[Record | Refusal]:
    """Records with the values of the mapped fields; raises a Refusal for a field that no row has."""
    names, found, known, read = _names(fields), set(), {}, 0
    for number, line in lines:
        if isinstance(line, Refusal):
            yield line
            continue
        values = {field: pick(line, column) for field, column in names.items()}
        found |= {field for field, value in values.items() if value is not NO_FIELD}
        known |= dict.fromkeys(_columns(line)) if read < _SHOWN_NAMES else {}
        read += 1
        values = {field: None if value is NO_FIELD else value for field, value in values.items()}
        yield Record(f"{place}:{number}", split, values, Counter())
    if read and found != names.keys():
        known |= dict.fromkeys(names[field] for field in found)
        _refuse_missing(place, fields, list(known), nested=False)


def pick(row: Mapping[str, Any], column: str) -> Any:
    """The value of a column, or of a dotted path into nested objects; NO_FIELD where there is none."""
    if column in row:
        return row[column]
    value: Any = row
    for part in column.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return NO_FIELD
        value = value[part]
    return value


def _columns(row: Mapping[str, Any]) -> Iterator[str]:
    for name, value in row.items():
        yield name
        if isinstance(value, Mapping):
            yield from (f"{name}.{inner}" for inner in value)


def _refuse_missing(place: str, fields: Fields, known: list[str], nested: bool) -> None:
    """Stops at a mapped name that is not known; with `nested`, the head of a dotted name is enough."""
    for field, column in _names(fields).items():
        if column in known or (nested and column.split(".")[0] in known):
            continue
        near = difflib.get_close_matches(column, known, n=1, cutoff=0.5)
        cure = f"set prepare.source.fields.{field} to {near[0] if near else 'one of them'}"
        if field not in ("document", "summary"):
            cure += " or to null"
        raise Refusal(place, f"no field {column!r} (there is: {_shown(known)})", cure)


def _shown(names: list[str]) -> str:
    """The names on one line that any terminal can print."""
    text = " ".join(", ".join(names).split())[:300]
    return text.encode("utf-8", "backslashreplace").decode()
