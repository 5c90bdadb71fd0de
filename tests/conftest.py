"""A whole project in miniature: every stage run once, on CPU, with a model of one layer."""

import importlib
import json
import os
import shutil
import threading
from contextlib import chdir, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
STAGES = [
    "prepare",
    "base",
    "sft",
    "sample",
    "judge",
    "pairs",
    "references",
    "reward --fold a",
    "reward --fold b",
    "method --family pairs --branch dpo",
    "method --family online --branch rloo",
    "align --family pairs --branch dpo --seed 0",
    "align --family online --branch rloo --seed 0",
    "evaluate --model sft",
    "evaluate --model dpo-0",
    "evaluate --model rloo-0",
    "compare",
]


LONG = ("ui/test_ui.py", "test_graph.py", "methods/test_all_methods.py", "flows/test_pipeline.py")


def pytest_configure(config: pytest.Config) -> None:
    """A worker of several keeps to one core: torch and BLAS read this when they are imported."""
    if hasattr(config, "workerinput"):
        os.environ["OMP_NUM_THREADS"] = "1"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where workers share the files, the long ones come first, or one worker would be left alone with one of them."""
    if hasattr(config, "workerinput"):
        names = [ROOT / "tests" / name for name in LONG]
        items.sort(key=lambda item: names.index(item.path) if item.path in names else len(names))


def shrunk() -> dict:
    """The repository's params.yaml with other sizes, and nothing else changed."""
    given = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    given["seeds"] = [0]
    given["compute"] = {
        "threads": 1,
        "trunk_threads": 1,
        "tokens_at_once": 4096,
        "device": "cpu",
        "dtype": "float32",
    }
    given["prepare"]["source"].update(kind="embedded", train=40, validation=10, test=8, unlabelled=0)
    shipped = YAML(typ="safe").load((ROOT / "assets/base.yaml").read_text(encoding="utf-8"))["model"]
    size = {"vocabulary": 1000, "layers": 1, "width": 32, "heads": 2, "steps": 30, "batch_size": 8}
    given["base"]["source"] = {**shipped, **size, "window": 256}
    given["text"]["max_completion_tokens"] = 48
    trained = [given["sft"]["source"], given["reward"]["source"]]
    for block in (*trained, given["branches"]["pairs"]["dpo"], given["branches"]["online"]["rloo"]):
        walk = {"steps": 2, "batch_size": 4, "warmup_steps": 0, "checkpoint_every": 100, "lora": None}
        block["optimisation"] = {**block["optimisation"], **walk, "gradient_accumulation": 1}
    given["sft"]["source"]["optimisation"].update(steps=50, batch_size=8, learning_rate=1e-2)
    given["branches"]["online"]["rloo"].update(completions=2, reward="model")
    given["branches"] = {
        "pairs": {"dpo": given["branches"]["pairs"]["dpo"]},
        "base": {},
        "feedback": {},
        "cured": {},
        "unpaired": {},
        "best": {},
        "online": {"rloo": given["branches"]["online"]["rloo"]},
        "distil": {},
        "critic": {},
        "taught": {},
        "iterated": {},
    }
    given["sample"]["completions"] = 4
    given["judge"]["kind"] = "rouge"
    given["pairs"].update(fold_b=0.4, holdout=0.15)
    given["pairs"]["source"]["min_margin"] = 1e-6
    given["align"]["snapshots"] = 1
    given["evaluate"].update(samples=2, snapshot_prompts=5)
    given["compare"]["resamples"] = 1000
    return given


class Project:
    """A project's folder; `run` is what `python -m tasks` does, without its process and its ledger."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.metrics: dict[str, dict] = {}  # of the session's own runs, by record

    def write(self, given: dict) -> None:
        with (self.folder / "params.yaml").open("w", encoding="utf-8") as file:
            YAML().dump(given, file)

    def change(self, place: str, **changed) -> None:
        """Sets fields of a block of params.yaml, given as a dotted name."""
        given = YAML(typ="safe").load((self.folder / "params.yaml").read_text(encoding="utf-8"))
        block = given
        for name in place.split(".") if place else []:
            block = block[name]
        block.update(changed)
        self.write(given)

    @property
    def parameters(self):
        from tasks import parameters

        return parameters.read(self.folder / "params.yaml")

    def run(self, words: str) -> dict:
        """The metrics of one stage, which go to reports/metrics too."""
        from tasks.ledger.journal import Journal
        from tasks.ledger.signature import Signature
        from tasks.ledger.target import parse

        target = parse(words.split())
        with chdir(self.folder):
            scratch = Path(".state") / "scratch" / target.record
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
            journal = Journal(target.record, scratch)
            found = Signature(target, ROOT / "tasks").call(journal=journal, scratch=scratch)
            path = Path("reports/metrics") / f"{target.record}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(found, sort_keys=True), encoding="utf-8")
        return found

    def curve(self, record: str) -> list[dict]:
        path = self.folder / "reports" / "curves" / f"{record}.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def entry(self, branch: str, **changed):
        """A branch's settings; what is no field of its own is a field of its optimisation."""
        entry = self.parameters.branches.entries()[branch]
        own = {name: value for name, value in changed.items() if name in type(entry).model_fields}
        walk = entry.optimisation.model_dump() | {n: v for n, v in changed.items() if n not in own}
        return type(entry).model_validate({**entry.model_dump(), **own, "optimisation": walk})

    def trainer(self, entry, scratch: Path, compute=None, seed: int = 0):
        """The trainer of a branch, as the stage align makes it; the working directory must be the project."""
        from tasks import methods
        from tasks.engine import models, training
        from tasks.engine.spent import Spent

        method = methods.load(entry.method)
        engine = {"gallim": "families", "trl": "stock"}[entry.optimisation.engine]
        family = importlib.import_module(f"tasks.engine.{engine}.{method.FAMILY}")
        compute = compute or self.parameters.compute
        tokenizer = models.load_tokenizer(models.SFT)
        policy = models.load_policy(models.SFT, compute)
        common = training.arguments(entry.optimisation, compute, seed, scratch)
        train, text = str(_rows(method.FAMILY, scratch)), self.parameters.text
        job = training.Job(method, entry, policy, tokenizer, common, train, text, compute, Notes(), Spent())
        return family.trainer(job)


def _rows(family: str, folder: Path) -> Path:
    """What the family's methods read; rated and best rows are made of the pairs, in the folder."""
    pairs = Path("data/pairs/a.parquet")
    if family not in ("unpaired", "best", "taught"):
        return pairs
    import pyarrow as pa
    import pyarrow.parquet as pq

    if family in ("best", "taught"):
        chosen = pq.read_table(pairs, columns=["prompt", "chosen"]).rename_columns(["prompt", "completion"])
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(chosen, folder / "best.parquet")
        return folder / "best.parquet"
    from tasks import unpaired

    rows = unpaired.of_pairs(pq.read_table(pairs).to_pylist())
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=unpaired.SCHEMA), folder / "rated.parquet")
    return folder / "rated.parquet"


class Notes:
    """A journal that keeps what it is told."""

    def __init__(self):
        self.lines: list[dict] = []
        self.said: list[str] = []

    def step(self, step: int, of: int, **numbers: float) -> None:
        self.lines.append({"step": step, **numbers})

    def say(self, text: str) -> None:
        self.said.append(text)

    def resume_from(self, step: int) -> None:
        self.said.append(f"resumed from {step}")

    def curve(self) -> list[dict]:
        return self.lines


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The miniature after all its stages; tests look at it and leave it as it is."""
    import torch

    from tasks.ledger.target import parse

    torch.set_num_threads(1)
    made = Project(tmp_path_factory.mktemp("project"))
    shutil.copytree(ROOT / "assets/judging", made.folder / "assets/judging")
    made.write(shrunk())
    for words in STAGES:
        made.metrics[parse(words.split()).record] = made.run(words)
    return made


@pytest.fixture
def here(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The miniature as the working directory, to be read only."""
    monkeypatch.chdir(project.folder)
    return project


@pytest.fixture
def own(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of the miniature as the working directory, to be changed at will."""
    folder = tmp_path / "own"
    shutil.copytree(project.folder, folder, ignore=shutil.ignore_patterns(".state"))
    monkeypatch.chdir(folder)
    copied = Project(folder)
    copied.metrics = dict(project.metrics)
    return copied


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    os.makedirs(folder)
    return folder


@pytest.fixture
def served():
    """A stub of an OpenAI-compatible endpoint, as a block: `with served(reply) as (url, asked)`."""
    return _served


@contextmanager
def _served(reply):
    """An endpoint that answers with `reply(body)` = status and text; yields its address and what it was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, self.headers["Authorization"], body))
            status, text = reply(body)
            message = {"role": "assistant", "content": text}
            made = {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}
            made |= {"id": "1", "object": "chat.completion", "created": 0, "model": body["model"]}
            data = json.dumps(made if status == 200 else {"error": {"message": text}}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
