"""Model directories: loading them, saving them whole, and proving that their bytes are what they were."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError
from safetensors import SafetensorError, safe_open
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from tasks.engine.foreign import manifest_of, require_safe, require_safetensors
from tasks.refusal import Refusal
from tasks.settings import Compute, HubModel

MANIFEST = "manifest.json"
# what transformers raises at a directory whose files are not what they should be; a field of another type, say
FAULTS = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, ImportError),
    *(ZeroDivisionError, RuntimeError, SafetensorError),
)
BASE = Path("models/base")
SFT = Path("models/sft")  # the start of every branch but those from the base, and the reference of all


def snapshots_of(model: str) -> Path:
    """Where the snapshots of models/<model> lie, one folder a step."""
    return Path(f"models/{model}-snapshots")


def device_of(compute: Compute) -> torch.device:
    """The device that the stage computes on."""
    if compute.device == "cuda" and not torch.cuda.is_available():
        raise Refusal(
            "params.yaml: compute.device", "cuda is asked for, and there is no GPU", "set auto or cpu"
        )
    return torch.device("cuda" if compute.device != "cpu" and torch.cuda.is_available() else "cpu")


def fetch(source: HubModel) -> Path:
    """The local snapshot of a Hub model at its pinned revision: weights as safetensors, configuration, tokenizer."""
    try:
        return Path(
            snapshot_download(
                source.id,
                revision=source.revision,
                allow_patterns=["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"],
            )
        )
    except (OSError, HfHubHTTPError, ValueError) as error:
        cause = " ".join(str(error).split())[:200]
        raise Refusal(
            f"{source.id}@{source.revision[:8]}",
            f"cannot be fetched ({cause})",
            "check id, revision and network",
        ) from error


def load_policy(directory: str | Path, compute: Compute, *, trained: bool = False) -> PreTrainedModel:
    """The causal model of a directory (or Hub snapshot), on the stage's device, in compute.dtype.

    Weights that a trainer is to change are float32 whatever compute.dtype says, and are computed with in it: of a
    bfloat16 weight an AdamW step of 1e-6 changes nothing.
    """
    return _load(AutoModelForCausalLM, Path(directory), _exact(compute) if trained else compute)


def load_encoder(directory: str | Path, compute: Compute) -> PreTrainedModel:
    """The encoder of a directory, without head, on the stage's device, in float32; a pooler may be missing."""
    pooler = ("pooler.dense.weight", "pooler.dense.bias")  # of no hidden layer
    return _load(AutoModel, Path(directory), _exact(compute), new=pooler)


def load_reward(directory: str | Path, compute: Compute) -> PreTrainedModel:
    """The reward model of a directory: one number per sequence, in logits of shape (batch, 1)."""
    return _load(AutoModelForSequenceClassification, Path(directory), compute, num_labels=1)


def new_reward(directory: str | Path, compute: Compute) -> PreTrainedModel:
    """A reward model to be trained, in float32: the directory's causal model under a new, random head."""
    kind = AutoModelForSequenceClassification
    return _load(kind, Path(directory), _exact(compute), new=("score.weight",), num_labels=1)


def _exact(compute: Compute) -> Compute:
    return compute.model_copy(update={"dtype": "float32"})


def _load(
    kind: Any, directory: Path, compute: Compute, new: tuple[str, ...] = (), **options: Any
) -> PreTrainedModel:
    require_safetensors(directory)
    try:
        model, loaded = kind.from_pretrained(
            str(directory),
            dtype=getattr(torch, compute.dtype),
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            **options,
        )
    except FAULTS as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        cause = " ".join(str(error).split())[:300]
        raise Refusal(
            str(directory), f"cannot be loaded ({cause})", "use a standard transformers model directory"
        ) from error
    missing = sorted(set(loaded["missing_keys"]) - set(new))
    if missing:  # transformers would draw them at random and go on
        raise Refusal(
            str(directory),
            f"lacks {len(missing)} weights, {missing[0]} first",
            "use the whole model's directory",
        )
    return model.to(device_of(compute))


def load_tokenizer(directory: str | Path) -> PreTrainedTokenizerBase:
    """The directory's tokenizer."""
    require_safe(Path(directory))
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(directory), trust_remote_code=False)
    except FAULTS as error:
        cause = " ".join(str(error).split())[:300]
        raise Refusal(
            str(directory), f"holds no tokenizer that loads ({cause})", "add tokenizer.json"
        ) from error
    if tokenizer.eos_token_id is None:
        raise Refusal(
            str(directory), "its tokenizer has no EOS token", "name one in tokenizer_config.json: eos_token"
        )
    return tokenizer


def context_tokens(directory: str | Path) -> int:
    """How many positions the directory's model has."""
    config = AutoConfig.from_pretrained(str(directory), trust_remote_code=False)
    return config.get_text_config().max_position_embeddings


def separate_pad(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Nothing; gives the tokenizer a pad token of its own, so that 'padded' and 'ended' never look alike.

    What else a foreign model says of its decoding (penalties, min_p, further EOS tokens) is dropped: it would
    bend sampling here and in RLOO, whose log-probabilities are those of the whole distribution.
    """
    if tokenizer.pad_token_id in (None, tokenizer.eos_token_id):
        tokenizer.add_special_tokens({"pad_token": "<|gallim_pad|>"})
        if len(tokenizer) > model.get_input_embeddings().num_embeddings:
            torch.manual_seed(0)  # new rows are drawn around the mean embedding
            model.resize_token_embeddings(len(tokenizer))
    config = model.config.get_text_config()
    config.pad_token_id, config.eos_token_id = tokenizer.pad_token_id, tokenizer.eos_token_id
    if model.can_generate():
        model.generation_config = GenerationConfig(
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=tokenizer.bos_token_id,
        )


def save(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    directory: Path,
    *,
    weights: dict[str, torch.Tensor] | None = None,
    **facts: Any,
) -> dict[str, Any]:
    """The manifest; the directory appears only when it is whole, with a sha256 for each of its files.

    weights: in place of the model's own.
    """
    partial = directory.with_name(f".{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial, state_dict=weights, safe_serialization=True)
    tokenizer.save_pretrained(partial)
    manifest = {**facts, "files": file_hashes(partial), "weights_sha256": weights_hash(partial)}
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    for path in sorted(partial.iterdir()):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    shutil.rmtree(directory, ignore_errors=True)
    partial.rename(directory)
    return manifest


def file_hashes(directory: Path) -> dict[str, str]:
    """sha256 of every file of the directory but its manifest, by name."""
    names = sorted(path.name for path in directory.iterdir() if path.is_file() and path.name != MANIFEST)
    return {name: file_sha256(directory / name) for name in names}


def weights_hash(directory: Path) -> str:
    """One sha256 over the directory's weight files."""
    digest = hashlib.sha256()
    for path in sorted(directory.glob("*.safetensors")):
        digest.update(f"{path.name}:{file_sha256(path)}\n".encode())
    return digest.hexdigest()


def verified_manifest(directory: Path) -> dict[str, Any]:
    """The directory's manifest, after every file was found to have the bytes that it names."""
    path = directory / MANIFEST
    if not path.is_file():
        raise Refusal(str(directory), "has no manifest.json", "run the stage that writes it again: dvc repro")
    manifest = manifest_of(path)
    found = file_hashes(directory)
    for name in sorted(manifest["files"].keys() | found.keys()):
        if manifest["files"].get(name) != found.get(name):
            raise Refusal(
                f"{directory}/{name}",
                "its bytes are not those that its manifest names",
                f"delete {directory} and run `dvc repro`, or `dvc checkout --force {directory}`",
            )
    return manifest


def same_weights(model: PreTrainedModel, directory: Path) -> bool:
    """Whether every parameter in memory equals the directory's, bit by bit (after its own dtype's rounding)."""
    in_memory = {_plain(name): tensor for name, tensor in model.state_dict().items() if "lora_" not in name}
    stored = 0
    for path in sorted(directory.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118  (not a dict)
                tensor = in_memory.get(name)
                if tensor is None or not torch.equal(tensor.cpu(), file.get_tensor(name).to(tensor.dtype)):
                    return False
                stored += 1
    return stored > 0


def _plain(name: str) -> str:
    """The parameter's name without what an adapter puts around it."""
    return name.removeprefix("base_model.model.").replace(".base_layer.", ".")


def file_sha256(path: Path) -> str:
    """Of the file's bytes, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
