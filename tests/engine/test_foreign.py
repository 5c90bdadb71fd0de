"""A model directory from anybody: what could run code, or reach elsewhere, is refused by name before it is read."""

import json
import os
import pickle
from pathlib import Path

import pytest

from tasks.engine import foreign
from tasks.refusal import Refusal


class Planted:
    """Creates a file when it is unpickled."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


@pytest.fixture
def model(tmp_path):
    """A directory with weights and settings, of which foreign.py reads the latter alone."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    for name in foreign.SETTINGS:
        (folder / name).write_text(json.dumps({"model_type": "llama"}))
    foreign.require_safetensors(folder)
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "pytorch_model.bin",
        "pytorch_model-00001-of-00002.bin",
        "training_args.bin",
        "model.pt",
        "rng_state.pth",
        "vocab.pkl",
        "A.PICKLE",
        "last.ckpt",
        "checkpoint-5/optimizer.pt",
    ],
)
def test_a_planted_pickle_is_named_and_never_run(name, model, tmp_path):
    mark, path = tmp_path / "ran", model / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps(Planted(mark)))
    for check in (foreign.require_safe, foreign.require_safetensors):
        with pytest.raises(Refusal) as refused:
            check(model)
        assert refused.value.place == str(path)
        assert "may be a pickle" in refused.value.cause
    assert not mark.exists()
    pickle.loads(path.read_bytes())  # the plant is a true one
    assert mark.exists()


@pytest.mark.parametrize("name", ["modeling.py", "__pycache__/modeling.cpython-311.pyc", "kernel.so"])
def test_code_is_named(name, model):
    path = model / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    with pytest.raises(Refusal, match=f"{path.name}: is code of the model's own, which is never run"):
        foreign.require_safe(model)


@pytest.mark.parametrize("name", foreign.SETTINGS)
def test_a_wish_for_remote_code_is_refused(name, model):
    (model / name).write_text(
        json.dumps({"model_type": "llama", "auto_map": {"AutoModel": "who/model--x.Y"}})
    )
    with pytest.raises(Refusal, match=rf"{name}: asks for code of the model's own \(auto_map\)"):
        foreign.require_safe(model)


@pytest.mark.parametrize("shard", ["../secret.safetensors", "/etc/passwd", "a/b.safetensors", 5])
def test_a_shard_elsewhere_is_refused(shard, model):
    (model / foreign.INDEX).write_text(json.dumps({"weight_map": {"a": shard}}))
    with pytest.raises(Refusal, match=r"index.json: names a file elsewhere"):
        foreign.require_safe(model)


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff", b"[" * 100_000, b"null"])
@pytest.mark.parametrize("name", [*foreign.SETTINGS, foreign.INDEX, "manifest.json"])
def test_settings_that_are_none_are_refused_in_one_line(name, content, model):
    (model / name).write_bytes(content)
    with pytest.raises(Refusal, match=rf"{name}: (cannot be loaded|is not a JSON object)"):
        foreign.manifest_of(model / name) if name == "manifest.json" else foreign.require_safe(model)


def test_a_manifest_without_files_is_none(model):
    (model / "manifest.json").write_text("{}")
    with pytest.raises(Refusal, match=r"manifest.json: is no manifest of a model"):
        foreign.manifest_of(model / "manifest.json")
