"""Questions, and a project with two evaluated models, of which nobody knows more than the files."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.measures.evaluations import NUMBERS
from tasks.people.answers import Log
from tasks.people.questions import Question, drawn
from tasks.people.sitting import Sitting

ROOT = Path(__file__).resolve().parents[2]
MODELS = ["dpo-0", "rloo-0"]
PROMPTS = 6  # of which the last has one text from both
HOSTILE = '<script>document.title = "owned"</script><img src=x onerror="document.title=1">'


def question(number, **changed):
    told = {"id": f"d{number}", "document": f"문서 {number}", "reference": None}
    return Question(**(told | {"a": f"가 {number}", "b": f"나 {number}"} | changed))


@pytest.fixture
def ask():
    """`ask(3, a="x")` is a question."""
    return question


@pytest.fixture
def sit(tmp_path):
    """`sit(questions, seed=0)` is a sitting over the log in tmp_path, as a start of the program makes it."""
    opened = []

    def made(questions, seed=0, most=None, clock=lambda: 0.0):
        while opened:
            opened.pop().close()
        log = Log(tmp_path / "answers" / "kim.jsonl")
        opened.append(log)
        who = {"models": MODELS, "rater": "kim", "seed": seed}
        return Sitting(drawn(questions, seed, most), log, who, clock)

    yield made
    for log in opened:
        log.close()


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """The working directory: params.yaml, the test split, and what dpo-0 and rloo-0 wrote of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GALLIM_STATE", raising=False)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    ids = [f"d{number}" for number in range(PROMPTS)]
    documents = [f"문서 {number} {HOSTILE}" for number in range(PROMPTS)]
    write("data/prepared/test.parquet", id=ids, document=documents, summary=["참조"] * PROMPTS)
    for model, mark in zip(MODELS, ("가", "나"), strict=True):
        texts = [f"{mark} {number} {HOSTILE}" for number in range(PROMPTS - 1)] + ["하나"]
        rows = {"id": ids * 2, "decoding": ["greedy"] * PROMPTS + ["sampled"] * PROMPTS}
        rows |= {"sample": [0] * 2 * PROMPTS, "ended": [True] * 2 * PROMPTS}
        rows |= {name: [0.0] * 2 * PROMPTS for name in NUMBERS if name != "no_eos"}
        rows |= {"prediction": texts + [f"표집 {text}" for text in texts]}
        write(f"reports/evaluation/{model}/predictions.parquet", **rows)
        told = {"split": "test", "prompts_sha256": "2" * 64, "reference_sha256": "3" * 64}
        Path(f"reports/evaluation/{model}/summary.json").write_text(json.dumps(told))
    return tmp_path


def write(path, **columns):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


@pytest.fixture
def begin(workplace):
    """`begin("--prompts", "3")` starts the command in its own process; its page's address comes back with it."""
    running = []

    def begun(*words):
        process = subprocess.Popen(
            (sys.executable, "-m", "tasks", "rate", *MODELS, "--rater", "kim", *words),
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        running.append(process)
        said = [process.stdout.readline() for _ in range(3)]
        found = re.search(r"(http://127\.0\.0\.1:\d+)(/\S+)/ko/", said[-1])
        assert found, "".join([*said, process.stdout.read()])
        return process, said[0], *found.groups()

    yield begun
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()
