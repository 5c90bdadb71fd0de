"""Stage base: a model made here, the user's own, or one of the Hub at a pinned revision."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import torch
from transformers import GenerationConfig

from tasks.corpus import dialogues
from tasks.engine import models
from tasks.refusal import Refusal

ROOT = Path(__file__).resolve().parents[1]
REVISION, OTHER = "0123456789abcdef0123456789abcdef01234567", "f" * 40


class Hub(ThreadingHTTPServer):
    """The few addresses of the Hub that huggingface_hub asks for, on one folder at one revision."""

    def __init__(self, folder):
        self.folder, self.asked = folder, []
        super().__init__(("127.0.0.1", 0), Answers)

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        place = unquote(urlsplit(self.path).path)
        self.server.asked.append(place)
        names = sorted(path.name for path in self.server.folder.iterdir())
        files = [{"type": "file", "path": n, "size": 1, "oid": "0" * 40} for n in names]
        told = {
            f"/api/models/people/tiny/revision/{REVISION}": {
                "id": "people/tiny",
                "sha": REVISION,
                "siblings": [{"rfilename": name} for name in names],
            },
            f"/api/models/people/tiny/tree/{REVISION}": files,
        }
        if place in told:
            return self.answer(json.dumps(told[place]).encode())
        prefix = f"/people/tiny/resolve/{REVISION}/"
        if place.startswith(prefix) and place.removeprefix(prefix) in names:
            return self.answer((self.server.folder / place.removeprefix(prefix)).read_bytes())
        return self.answer(b'{"error": "Revision not found"}', 404, {"X-Error-Code": "RevisionNotFound"})

    def answer(self, content, status=200, more=()):
        self.send_response(status)
        headers = {"Content-Length": len(content), "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        for name, value in {**headers, "X-Repo-Commit": REVISION, **dict(more)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


@pytest.fixture
def hub(own):
    """A Hub that has the miniature's SFT model, and a pickle beside its weights."""
    folder = own.folder / "hub"
    shutil.copytree(models.SFT, folder)
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "modeling.py").write_text("raise SystemExit('executed')")
    serving = Hub(folder)
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    yield serving
    serving.shutdown()
    thread.join()
    serving.server_close()


def stage(own, hub, revision):
    """`python -m tasks base` for a model of this Hub."""
    own.change("base", source={"kind": "hub", "id": "people/tiny", "revision": revision})
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "MLFLOW"))}
    here = {
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(own.folder / "hf"),
        "PYTHONPATH": str(ROOT),
        "NO_PROXY": "*",
    }
    shutil.copytree(ROOT / "tasks", "tasks", ignore=shutil.ignore_patterns("__pycache__"))
    return subprocess.run(
        [sys.executable, "-m", "tasks", "base"], env=kept | here, capture_output=True, text=True, timeout=300
    )


def test_a_model_of_the_hub_is_fetched_at_its_revision_without_code_or_pickles(own, hub):
    done = stage(own, hub, REVISION)
    assert done.returncode == 0, done.stderr
    told = json.loads(Path("reports/metrics/base.json").read_text())
    assert told["kind"] == "hub"
    assert told["weights_sha256"] == models.verified_manifest(models.BASE)["weights_sha256"]
    made, given = (models.load_policy(name, own.parameters.compute) for name in (models.BASE, models.SFT))
    assert all(torch.equal(a, b) for a, b in zip(made.parameters(), given.parameters(), strict=True))
    assert any(place.endswith("/model.safetensors") for place in hub.asked)
    assert not any(place.endswith((".bin", ".py")) for place in hub.asked)
    assert all(REVISION in place for place in hub.asked)


def test_a_revision_that_is_not_there_is_refused_in_one_line(own, hub):
    done = stage(own, hub, OTHER)
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("gallim: ")]
    assert line.startswith("gallim: people/tiny@ffffffff: cannot be fetched (")
    assert line.endswith("; check id, revision and network")
    assert "Traceback" not in done.stderr


def test_a_base_made_here_is_told_with_its_size_and_loss(here):
    told, model = here.metrics["base"], models.load_policy(models.BASE, here.parameters.compute)
    assert told["kind"] == "scratch"
    assert told["parameters"] == sum(weight.numel() for weight in model.parameters())
    assert (told["vocabulary"], told["context_tokens"], told["documents"]) == (1000, 512, 40)
    assert 0 < told["loss_nats_per_token"] < 6.9078  # ln 1000, the loss of a model that knows nothing


def test_an_own_model_is_taken_over_with_a_pad_token_and_plain_decoding(own):
    tokenizer = models.load_tokenizer(models.SFT)
    tokenizer.pad_token = tokenizer.eos_token
    policy = models.load_policy(models.SFT, own.parameters.compute)
    policy.generation_config = GenerationConfig(
        do_sample=True, min_p=0.3, no_repeat_ngram_size=3, eos_token_id=[1, 5]
    )
    policy.save_pretrained("models/own/base")
    tokenizer.save_pretrained("models/own/base")
    own.change("base", source={"kind": "own"})
    assert own.run("base")["vocabulary"] == 1001
    made = models.load_policy(models.BASE, own.parameters.compute)
    assert models.load_tokenizer(models.BASE).pad_token_id == 1000 == made.generation_config.pad_token_id
    assert made.generation_config.eos_token_id == tokenizer.eos_token_id
    assert (made.generation_config.min_p, made.generation_config.no_repeat_ngram_size) == (None, None)
    assert torch.equal(made.get_input_embeddings().weight[:1000], policy.get_input_embeddings().weight)


def test_an_own_model_of_pickles_is_refused(own):
    shutil.copytree(models.SFT, "models/own/base")
    os.rename("models/own/base/model.safetensors", "models/own/base/pytorch_model.bin")
    own.change("base", source={"kind": "own"})
    with pytest.raises(Refusal, match=r"models/own/base/pytorch_model.bin: may be a pickle"):
        own.run("base")


def test_an_own_model_that_is_not_there_is_refused(own):
    own.change("base", source={"kind": "own"})
    with pytest.raises(Refusal, match=r"models/own/base: (there is no such|holds no tokenizer)"):
        own.run("base")


def test_the_shipped_model_was_made_from_the_grammar_of_today():
    """Else `make base` is due: its dialogues would be of another grammar than those it is tuned and tested on."""
    root = Path(__file__).resolve().parents[1]
    manifest = json.loads((root / "assets/base/manifest.json").read_text(encoding="utf-8"))
    assert manifest["grammar_sha256"] == dialogues.grammar_sha256()
    assert sum(path.stat().st_size for path in (root / "assets").rglob("*") if path.is_file()) < 12_000_000
