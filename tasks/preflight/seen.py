"""What there is to look at before anything has run: parameters, plan, the model that trainings start from, and rows."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from tasks.corpus.records import usable
from tasks.corpus.sources import records
from tasks.ledger.plan import Plan
from tasks.parameters import Parameters
from tasks.refusal import Refusal
from tasks.settings import HubModel

ROWS = 2000  # of a split that are looked at: evenly spread, all of them where there are no more
UNREAD = 300  # rows of a source that nobody has prepared yet
PREPARED = Path("data/prepared")
SHIPPED = Path("assets/base")


class Rows(NamedTuple):
    """Rows of id, document, summary and facts; how many there are in all; where they come from."""

    rows: list[dict[str, Any]]
    of: int | None
    place: str


class Seen:
    """The project in the working directory; what is due to be made again is not taken for what will be there."""

    def __init__(self, given: Parameters, plan: Plan | None):
        self.given, self.plan = given, plan

    def current(self, stage: str, *paths: Path) -> bool:
        """Whether these files are there, and are what the stage would make."""
        return all(path.exists() for path in paths) and not (self.plan is not None and self.plan.due(stage))

    @cached_property
    def start(self) -> Path | None:
        """The directory whose tokenizer and shape every branch will have; None where there is none yet."""
        sft, base = self.given.sft.source, self.given.base.source
        if self.current("sft", Path("models/sft/manifest.json")):
            return Path("models/sft")
        if sft.kind == "train":
            if self.current("base", Path("models/base/manifest.json")):
                return Path("models/base")
            return _given(base, self.given.own.base, SHIPPED)
        return _given(sft, self.given.own.sft, None)

    @cached_property
    def tokenizer(self) -> Any:
        """That of `start`, as the stages would load it; a Refusal where it cannot be."""
        from tasks.engine import models

        assert self.start is not None
        return models.load_tokenizer(self.start)

    @cached_property
    def config(self) -> Any:
        """The configuration of `start`."""
        from transformers import AutoConfig

        return AutoConfig.from_pretrained(str(self.start), trust_remote_code=False)

    @cached_property
    def splits(self) -> dict[str, Rows]:
        """By split, prepared rows; before that, rows of the source as `train`, and none of a source of the Hub."""
        paths = {split: PREPARED / f"{split}.parquet" for split in ("train", "validation", "test")}
        if self.current("prepare", *paths.values()):
            return {split: _spread(path) for split, path in paths.items()}
        if self.given.prepare.source.kind == "hub":
            return {}
        return {"train": Rows(self.unread[0], None, str(self.given.prepare.source.kind))}

    @cached_property
    def unread(self) -> tuple[list[dict[str, Any]], Counter[str], list[Refusal]]:
        """The first usable rows of the source, the counts of what was mended in them, and why others are refused."""
        rows, mended, refusals = [], Counter[str](), []
        for record in islice(records(self.given.prepare.source, self.given.own.documents), UNREAD):
            try:
                if isinstance(record, Refusal):
                    raise record
                placed = usable(record)
            except Refusal as refusal:
                refusals.append(refusal)
                continue
            if placed.split == "unlabelled":
                continue
            mended += placed.notes
            row = placed.row
            rows.append({"id": row.id, "document": row.document, "summary": row.summary, "facts": row.facts})
        return rows, mended, refusals


def _given(source: Any, own: str, shipped: Path | None) -> Path | None:
    """The directory of a source that is on this machine already."""
    if source.kind == "own":
        return Path(own) if (Path(own) / "config.json").is_file() else None
    if isinstance(source, HubModel):
        return _cached(source)
    return shipped if source.kind == "shipped" else None


def _cached(source: HubModel) -> Path | None:
    """The Hub's snapshot, where it was fetched before; nothing is fetched here."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source.id, revision=source.revision, local_files_only=True))
    except (OSError, ValueError):
        return None


def _spread(path: Path) -> Rows:
    """At most ROWS of a prepared split, evenly spread over it."""
    table = pq.read_table(path, columns=["id", "document", "summary", "facts"])
    step = max(1, -(-table.num_rows // ROWS))
    return Rows(table.take(list(range(0, table.num_rows, step))).to_pylist(), table.num_rows, str(path))
