"""What a model directory must be before a byte of it is loaded: it may come from anybody.

A pickle runs code when it is loaded, and so does a model's own Python, so neither may lie there, loaded or not: what is
next to the weights today is what another tool picks up tomorrow.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tasks.refusal import Refusal

PICKLES = {".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth"}
CODE = {".dll", ".dylib", ".py", ".pyc", ".pyd", ".so"}
SETTINGS = ("config.json", "tokenizer_config.json")
INDEX = "model.safetensors.index.json"


def require_safe(directory: Path) -> None:
    """Nothing, or a Refusal that names what could run code, or what would be read from outside the directory."""
    if not directory.is_dir():
        raise Refusal(
            str(directory), "there is no such model directory", "check the path, or run the stage before"
        )
    for path in sorted(directory.rglob("*")):
        if path.suffix.lower() in PICKLES:
            cause = "may be a pickle, and to load one runs its code (pickled weights are not loaded)"
            raise Refusal(str(path), cause, "take it away; the .safetensors files are all that is read")
        if path.suffix.lower() in CODE:
            raise Refusal(str(path), "is code of the model's own, which is never run", "take it away")
    for name in SETTINGS:
        if "auto_map" in _object(directory / name):
            cause = "asks for code of the model's own (auto_map), which is never run"
            cure = "take a model that transformers knows, or remove auto_map where it knows the model_type"
            raise Refusal(str(directory / name), cause, cure)
    shards = _object(directory / INDEX).get("weight_map", {})
    for shard in shards.values() if isinstance(shards, dict) else ():
        if not isinstance(shard, str) or Path(shard).name != shard:
            raise Refusal(str(directory / INDEX), f"names a file elsewhere ({shard!r})", "use a whole model")


def require_safetensors(directory: Path) -> None:
    """Nothing, or a Refusal when the directory is not safe, holds an adapter alone, or no weights to load."""
    require_safe(directory)
    if (directory / "adapter_config.json").exists():  # transformers would load its base from wherever it says
        raise Refusal(
            str(directory), "holds an adapter, not a model", "merge it with peft's model.merge_and_unload()"
        )
    if not any(directory.glob("*.safetensors")):
        raise Refusal(
            str(directory),
            "holds no .safetensors file (pickled weights are not loaded: they can run code)",
            "convert it with model.save_pretrained(path, safe_serialization=True)",
        )


def manifest_of(path: Path) -> dict[str, Any]:
    """The manifest of one of our own models; a Refusal where it is no such thing."""
    found = _object(path)
    if not isinstance(found.get("files"), dict):
        raise Refusal(str(path), "is no manifest of a model", "run the stage that writes it again: dvc repro")
    return found


def _object(path: Path) -> dict[str, Any]:
    """The JSON object of a file; empty where there is none."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        cause = f"cannot be loaded, as it is not JSON ({' '.join(str(error).split())[:200]})"
        raise Refusal(str(path), cause, "use a standard transformers model directory") from error
    if not isinstance(found, dict):
        raise Refusal(str(path), "is not a JSON object", "use a standard transformers model directory")
    return found
