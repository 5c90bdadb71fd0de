"""A project in which nothing has run: the repository's parameters and shipped model, few rows, no training."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from tasks.corpus.pairs import SCHEMA as PAIRS
from tasks.corpus.rows import SCHEMA as ROWS

ROOT = Path(__file__).resolve().parents[2]
WORDS = ["민수", "지영", "현우", "수진", "도윤", "하은", "준호", "서연", "지훈", "유나"]


class Fresh:
    """The folder; what tests put there is what a stage would have left."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.given = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        self.given["compute"].update(threads=1, device="cpu", tokens_at_once=4096)
        self.given["prepare"]["source"].update(train=24, validation=4, test=4)
        self.given["seeds"] = [0]
        self.write()

    def write(self) -> None:
        with (self.folder / "params.yaml").open("w", encoding="utf-8") as file:
            YAML(typ="safe", pure=True).dump(self.given, file)

    def seen(self, plan=None):
        """What a check sees of it now."""
        from tasks import parameters
        from tasks.preflight.seen import Seen

        self.write()
        return Seen(parameters.read(self.folder / "params.yaml"), plan)

    def prepared(self, **changed: list[dict]) -> None:
        """Three splits of four rows each, or the rows given for one."""
        for at, split in enumerate(("train", "validation", "test")):
            rows = changed.get(split) or [row(4 * at + n) for n in range(4)]
            self.table(f"data/prepared/{split}.parquet", rows, ROWS)

    def pairs(self, **changed: list[dict]) -> None:
        """Four folds of ten pairs each, or those given for one."""
        for at, fold in enumerate(("a", "a_holdout", "b", "b_holdout")):
            rows = changed.get(fold) or [pair(10 * at + n) for n in range(10)]
            self.table(f"data/pairs/{fold}.parquet", rows, PAIRS)

    def table(self, name: str, rows: list[dict], schema: pa.Schema) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)

    def record(self, name: str, **found) -> None:
        path = self.folder / "reports/metrics" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found), encoding="utf-8")


def row(number: int, **changed) -> dict:
    name = WORDS[number % len(WORDS)]
    document = f"{name}: 내일 {number}시에 만날까요?\n점원: 네, {number}시 예약으로 바꿔 드릴게요."
    known = {"title": None, "date": None, "facts": None, "group": str(number), "truncated": False}
    return {
        "id": f"r{number}",
        "document": document,
        "summary": f"{name}가 {number}시로 바꿨다.",
        **known,
        **changed,
    }


def pair(number: int, **changed) -> dict:
    """Sides of equal length, so that nothing prefers the longer."""
    found = {
        "id": f"p{number}",
        "prompt": f"글 {number}번\n요약: ",
        "chosen": f"맞는 말 {number:02}",
        "rejected": f"틀린 말 {number:02}",
    }
    found |= {"score_chosen": 0.9, "score_rejected": 0.1, "margin": 0.8, "gold": "맞는 말", "judge": "rouge"}
    found |= changed
    return {**found, "characters_chosen": len(found["chosen"]), "characters_rejected": len(found["rejected"])}


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fresh:
    shutil.copytree(ROOT / "assets/base", tmp_path / "assets/base")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GALLIM_STATE", str(tmp_path / ".state"))
    return Fresh(tmp_path)


@pytest.fixture
def a_row():
    return row


@pytest.fixture
def a_pair():
    return pair


@pytest.fixture
def found():
    """A function from findings to (level, check, cause) of those at a level, or of all."""

    def told(findings, *levels: str) -> list[tuple[str, str, str]]:
        return [(one.level, one.check, one.cause) for one in findings if not levels or one.level in levels]

    return told
