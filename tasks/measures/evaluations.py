"""What the evaluate stage left in reports/evaluation/<model>, each model's whole or refused.

Legend of shapes: S seeds, P prompts; samples of a prompt are averaged before anything else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.measures.definitions import DEFINITIONS
from tasks.refusal import Refusal

FOLDER, PREPARED = Path("reports/evaluation"), Path("data/prepared")
SFT = "sft"
DECODINGS = ("greedy", "sampled")
KEY = ("id", "decoding", "sample")
SHARED = ("reference_sha256", "prompts_sha256", "reward_sha256")
TEXTS = ("prediction",)
NUMBERS = (
    "reward", "kl_k1", "kl_k3", "rouge1", "rouge2", "rougeL", "characters", "tokens", "compression",
    "no_eos", "repetition", "invented_numbers",
)  # fmt: skip
OPTIONAL = ("bertscore",)  # told where every model's evaluation has it
NUMBERS += tuple(name for name in DEFINITIONS if name not in (*NUMBERS, *OPTIONAL))
SAMPLED_ONLY = ("kl_k1", "kl_k3")  # the log-ratio of a greedy text estimates no KL
AGAIN = "run the stage evaluate again for this model"


@dataclass(frozen=True)
class Evaluation:
    """One model's predictions and its summary.json."""

    model: str
    table: pa.Table
    summary: dict[str, Any]

    def column(self, name: str) -> np.ndarray:
        """The column as float64, one value a row; `no_eos` is 1 where the text did not end itself."""
        if name == "no_eos":
            return 1.0 - self.column("ended")
        values = self.table.column(name).combine_chunks()
        if pa.types.is_null(values.type):
            return np.full(len(values), np.nan)
        return np.asarray(values.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=float)

    def has(self, name: str) -> bool:
        """Whether the column is there and every value of it finite."""
        return name in self.table.column_names and bool(np.isfinite(self.column(name)).all())

    def texts(self, name: str, decoding: str) -> list[str]:
        """Every text of that decoding, in the order of the prompts."""
        return self.table.filter(pa.array(self._rows(decoding))).column(name).to_pylist()

    def by_prompt(self, name: str, decoding: str) -> np.ndarray:
        """Mean over samples, one value a prompt [P], in the order of `prompts`."""
        groups = _groups(self.texts("id", decoding))
        return np.bincount(groups, weights=self.column(name)[self._rows(decoding)]) / np.bincount(groups)

    def prompts(self, decoding: str) -> list[str]:
        """The ids of the prompts, each once, in the order of the table."""
        return list(dict.fromkeys(self.texts("id", decoding)))

    def keys(self) -> list[tuple[str, str, int]]:
        """The id, decoding and sample of each row, in their order."""
        return list(zip(*(self.table.column(name).to_pylist() for name in KEY), strict=True))

    def _rows(self, decoding: str) -> np.ndarray:
        return np.array(self.table.column("decoding").to_pylist()) == decoding


def read_all(models: list[str]) -> list[Evaluation]:
    """Every model's evaluation, each whole; that they may be compared is for the contract to say."""
    return [read(model) for model in models]


def read(model: str) -> Evaluation:
    """One model's evaluation; a Refusal where a file, a column or a value is missing."""
    folder = FOLDER / model
    for path in (folder / "predictions.parquet", folder / "summary.json"):
        if not path.is_file():
            raise Refusal(str(path), "the file is missing", AGAIN)
    try:
        table = pq.read_table(folder / "predictions.parquet")
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Refusal(str(folder), f"cannot be read ({' '.join(str(error).split())})", AGAIN) from error
    evaluation = Evaluation(model, table, summary)
    _whole(evaluation)
    return evaluation


def ranked(evaluation: Evaluation) -> dict[str, np.ndarray]:
    """SFT's Best-of-N samples: their ranking and every measure, [P, N] each; nothing where evaluate.best_of is 1."""
    if not evaluation.summary.get("best_of"):
        return {}
    path, most = FOLDER / evaluation.model / "best_of.parquet", evaluation.summary["best_of"][-1]["n"]
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise Refusal(str(path), f"cannot be read ({' '.join(str(error).split())})", AGAIN) from error
    if table["id"].to_pylist() != [name for name in evaluation.prompts("sampled") for _ in range(most)]:
        raise Refusal(str(path), f"does not hold {most} samples of each prompt", AGAIN)
    names = [name for name in table.column_names if name not in ("id", "sample", "prediction")]
    found = {name: np.asarray(table[name].to_numpy(), dtype=float).reshape(-1, most) for name in names}
    for name, values in found.items():
        if not np.isfinite(values).all():
            raise Refusal(str(path), f"a value of {name} is missing or not finite", AGAIN)
    return found


def documents(ids: Sequence[str], split: str | None) -> Mapping[str, tuple[str, str]]:
    """Document and reference by id, from the split that SFT's summary.json names, else the one that fits."""
    paths = [PREPARED / f"{name}.parquet" for name in ([split] if split else ["test", "validation"])]
    for path in paths:
        if path.is_file():
            table = pq.read_table(path, columns=["id", "document", "summary"]).to_pylist()
            rows = {row["id"]: (row["document"], row["summary"]) for row in table}
            if all(name in rows for name in ids):
                return rows
    place = " or ".join(str(path) for path in paths)
    raise Refusal(place, f"does not hold every document of reports/evaluation/{SFT}", "run evaluate again")


def _whole(evaluation: Evaluation) -> None:
    place = str(FOLDER / evaluation.model / "predictions.parquet")
    needed = [*KEY, *TEXTS, "ended", *(name for name in NUMBERS if name != "no_eos")]
    missing = [name for name in needed if name not in evaluation.table.column_names]
    if missing:
        raise Refusal(place, f"the columns {', '.join(missing)} are missing", AGAIN)
    keys = evaluation.keys()
    if len(set(keys)) < len(keys):
        raise Refusal(place, "a row (id, decoding, sample) stands twice", AGAIN)
    for decoding in DECODINGS:
        ids = [key[0] for key in keys if key[1] == decoding]
        if len(set(ids)) < 2:
            raise Refusal(place, f"fewer than 2 {decoding} prompts", "raise the size of the evaluated split")
        if np.ptp(np.bincount(_groups(ids))) > 0:
            raise Refusal(place, f"prompts differ in their number of {decoding} rows", AGAIN)
    if evaluation.prompts("greedy") != evaluation.prompts("sampled"):
        raise Refusal(place, "greedy and sampled rows are not of the same prompts in the same order", AGAIN)
    _finite(evaluation, place)


def _finite(evaluation: Evaluation, place: str) -> None:
    sampled = np.array(evaluation.table.column("decoding").to_pylist()) == "sampled"
    for name in (*TEXTS, *NUMBERS):
        if name in TEXTS:
            bad = evaluation.table.column(name).null_count
        else:
            values = evaluation.column(name)
            bad = int((~np.isfinite(values[sampled] if name in SAMPLED_ONLY else values)).sum())
        if bad:
            raise Refusal(place, f"{bad} values of {name} are missing or not finite", AGAIN)


def _groups(ids: list[str]) -> np.ndarray:
    """The place of each row's id among the distinct ids, in order of first appearance."""
    places: dict[str, int] = {}
    return np.array([places.setdefault(name, len(places)) for name in ids], dtype=int)
