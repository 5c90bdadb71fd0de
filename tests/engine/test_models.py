"""Model directories: what loads, what is refused, and what is written whole or not at all."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from tasks.engine import models
from tasks.refusal import Refusal

ROOT = Path(__file__).resolve().parents[2]
LORA = {"r": 2, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}


@pytest.fixture
def compute(own):
    return own.parameters.compute


@pytest.fixture
def policy(compute):
    return models.load_policy(models.SFT, compute)


@pytest.fixture
def tokenizer(own):
    return models.load_tokenizer(models.SFT)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_saved_model_loads_again_bit_by_bit(policy, tokenizer, compute):
    with torch.no_grad():
        policy.model.norm.weight += 0.25
    manifest = models.save(policy, tokenizer, Path("models/new"), fact=3)
    assert models.verified_manifest(Path("models/new")) == manifest
    assert manifest["fact"] == 3
    assert manifest["weights_sha256"] == models.weights_hash(Path("models/new"))
    again = models.load_policy("models/new", compute)
    assert all(torch.equal(a, b) for a, b in zip(policy.parameters(), again.parameters(), strict=True))
    assert models.load_tokenizer("models/new").get_vocab() == tokenizer.get_vocab()


@pytest.mark.parametrize("place", ["tasks.engine.models.weights_hash", "os.fsync", "json.dumps"])
def test_a_save_that_fails_half_way_leaves_the_old_directory_as_it_was(place, policy, tokenizer, monkeypatch):
    before = contents(models.SFT)
    with torch.no_grad():
        policy.model.norm.weight += 0.25

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(place, fail)
    with pytest.raises(OSError, match="No space left"):
        models.save(policy, tokenizer, models.SFT)
    with pytest.raises(OSError, match="No space left"):
        models.save(policy, tokenizer, Path("models/new"))
    assert contents(models.SFT) == before
    assert not Path("models/new").exists()


def test_a_save_that_is_killed_leaves_no_half_directory_and_can_be_repeated(own, policy, tokenizer):
    code = """
import os, signal
from tasks.engine import models
from tasks.settings import Compute
compute = Compute(threads=1, trunk_threads=1, tokens_at_once=4096, device="cpu", dtype="float32")
model, tokenizer = models.load_policy(models.SFT, compute), models.load_tokenizer(models.SFT)
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
models.save(model, tokenizer, models.Path("models/new"))
"""
    killed = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=120,
    )
    assert killed.returncode == -9, killed.stderr
    assert not Path("models/new").exists()
    models.save(policy, tokenizer, Path("models/new"))
    assert [path.name for path in Path("models").iterdir() if path.name.startswith(".")] == []


def test_one_changed_byte_is_told_with_the_files_name(own):
    path = models.SFT / "model.safetensors"
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    with pytest.raises(Refusal, match=r"models/sft/model.safetensors: its bytes are not those") as refused:
        models.verified_manifest(models.SFT)
    assert "dvc repro" in refused.value.cure


@pytest.mark.parametrize("change", ["more", "fewer"])
def test_a_file_that_came_or_went_is_told_with_its_name(change, own):
    path = models.SFT / ("chat_template.jinja" if change == "more" else "tokenizer_config.json")
    path.write_text("{{ messages }}") if change == "more" else path.unlink()
    with pytest.raises(Refusal, match=f"models/sft/{path.name}: its bytes"):
        models.verified_manifest(models.SFT)


def test_a_directory_without_a_manifest_is_refused(own):
    (models.SFT / "manifest.json").unlink()
    with pytest.raises(Refusal, match=r"models/sft: has no manifest.json"):
        models.verified_manifest(models.SFT)


def test_pickled_weights_are_refused_unread(own, compute):
    """Beside good weights, too."""
    (models.SFT / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch models/executed'\ntR.")
    for load in (lambda name: models.load_policy(name, compute), models.load_tokenizer):
        with pytest.raises(
            Refusal, match=r"pytorch_model.bin: may be a pickle, and to load one runs its code"
        ):
            load(models.SFT)
    assert not Path("models/executed").exists()


def test_a_models_own_code_is_never_run(own, compute):
    path = models.SFT / "config.json"
    config = json.loads(path.read_text())
    code = "from pathlib import Path\nPath('models/executed').touch()\nfrom transformers import LlamaConfig as Config\n"
    (models.SFT / "evil.py").write_text(code)
    config |= {
        "model_type": "evil",
        "auto_map": {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"},
    }
    path.write_text(json.dumps(config))
    with pytest.raises(Refusal, match=r"models/sft/evil.py: is code of the model's own, which is never run"):
        models.load_policy(models.SFT, compute)
    (models.SFT / "evil.py").unlink()
    with pytest.raises(
        Refusal, match=r"models/sft/config.json: asks for code of the model's own \(auto_map\)"
    ):
        models.load_policy(models.SFT, compute)
    assert not Path("models/executed").exists()


def test_no_file_of_the_tree_trusts_remote_code():
    files = [path for folder in ("tasks", "flows", "bench") for path in (ROOT / folder).rglob("*.py")]
    trusting = [
        path for path in files if re.search(r"trust_remote_code\W+True", path.read_text(encoding="utf-8"))
    ]
    named = [path.name for path in files if "trust_remote_code" in path.read_text(encoding="utf-8")]
    assert trusting == []
    assert "models.py" in named


def test_an_adapter_alone_is_refused(policy, tokenizer, compute):
    get_peft_model(policy, LoraConfig(**LORA)).save_pretrained("models/adapter")
    tokenizer.save_pretrained("models/adapter")
    with pytest.raises(Refusal, match="models/adapter: holds an adapter, not a model; merge it"):
        models.load_policy("models/adapter", compute)


def test_missing_weights_are_refused_not_drawn(own, compute):
    path = models.SFT / "model.safetensors"
    tensors = load_file(path)
    del tensors["model.layers.0.mlp.up_proj.weight"]
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(Refusal, match=r"lacks 1 weights, model.layers.0.mlp.up_proj.weight first"):
        models.load_policy(models.SFT, compute)


def test_a_causal_model_is_no_reward_model_until_it_is_trained(own, compute):
    with pytest.raises(Refusal, match=r"lacks 1 weights, score.weight first"):
        models.load_reward(models.SFT, compute)
    assert models.new_reward(models.SFT, compute).score.weight.shape == (1, 32)


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_damaged_file_is_refused_in_one_line(file, own, compute):
    path = models.SFT / file
    path.write_bytes(path.read_bytes()[:100])
    load = (
        models.load_tokenizer if file == "tokenizer.json" else lambda name: models.load_policy(name, compute)
    )
    with pytest.raises(
        Refusal, match=r"^models/sft(/config\.json)?: (cannot be loaded|holds no tokenizer that loads)"
    ) as refused:
        load(models.SFT)
    assert "\n" not in str(refused.value)


def test_a_reward_model_of_two_numbers_is_refused(own, compute):
    path = Path("models/reward-a/model.safetensors")
    tensors = load_file(path)
    tensors["score.weight"] = torch.zeros(2, 32)
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(Refusal, match="models/reward-a: cannot be loaded"):
        models.load_reward("models/reward-a", compute)


def test_a_path_that_is_no_directory_is_refused(own, compute):
    with pytest.raises(Refusal, match="models/none: there is no such model directory"):
        models.load_policy("models/none", compute)


def test_a_gpu_that_is_asked_for_and_not_there_is_refused(compute, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        Refusal, match=r"compute.device: cuda is asked for, and there is no GPU; set auto or cpu"
    ):
        models.device_of(compute.model_copy(update={"device": "cuda"}))
    assert models.device_of(compute.model_copy(update={"device": "auto"})).type == "cpu"


def test_padding_gets_a_token_of_its_own_once(policy, tokenizer):
    size = len(tokenizer)
    tokenizer.pad_token = tokenizer.eos_token
    models.separate_pad(policy, tokenizer)
    assert tokenizer.pad_token_id == size
    assert policy.get_input_embeddings().num_embeddings == size + 1
    models.separate_pad(policy, tokenizer)
    assert (tokenizer.pad_token_id, len(tokenizer)) == (size, size + 1)
    for config in (policy.config, policy.generation_config):
        assert (config.pad_token_id, config.eos_token_id) == (size, tokenizer.eos_token_id)


def test_a_pad_token_that_is_separate_already_stays(policy, tokenizer):
    before = [weight.clone() for weight in policy.parameters()]
    models.separate_pad(policy, tokenizer)
    assert (tokenizer.pad_token, len(tokenizer)) == ("<pad>", policy.get_input_embeddings().num_embeddings)
    assert all(torch.equal(a, b) for a, b in zip(before, policy.parameters(), strict=True))


def test_the_row_of_a_new_pad_token_is_the_same_every_time(compute):
    made = []
    for number in (1, 2):
        torch.manual_seed(number)
        policy, tokenizer = models.load_policy(models.SFT, compute), models.load_tokenizer(models.SFT)
        tokenizer.pad_token = tokenizer.eos_token
        models.separate_pad(policy, tokenizer)
        made.append(policy.get_input_embeddings().weight[-1])
    assert torch.equal(*made)


@pytest.mark.parametrize(
    "name", ["model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight", "model.norm.weight"]
)
def test_one_changed_weight_is_another_model(name, policy):
    assert models.same_weights(policy, models.SFT)
    with torch.no_grad():
        policy.get_parameter(name).view(-1)[-1] += 1e-6
    assert not models.same_weights(policy, models.SFT)


def test_a_fresh_adapter_leaves_the_weights_below_it_the_same(policy):
    assert models.same_weights(get_peft_model(policy, LoraConfig(**LORA)), models.SFT)


def test_a_model_of_another_shape_is_another_model(policy, tokenizer):
    tokenizer.pad_token = tokenizer.eos_token
    models.separate_pad(policy, tokenizer)
    assert not models.same_weights(policy, models.SFT)


def test_weights_in_bfloat16_are_compared_as_bfloat16(compute):
    rounded = compute.model_copy(update={"dtype": "bfloat16"})
    policy = models.load_policy(models.SFT, rounded)
    assert policy.dtype == torch.bfloat16
    assert models.same_weights(policy, models.SFT)


def test_weights_to_be_trained_are_float32_whatever_is_computed_in(compute):
    rounded = compute.model_copy(update={"dtype": "bfloat16"})
    assert models.load_policy(models.SFT, rounded, trained=True).dtype == torch.float32
    assert models.new_reward(models.SFT, rounded).dtype == torch.float32


def test_a_tokenizer_without_eos_is_refused(own, tokenizer):
    tokenizer.eos_token = None
    shutil.rmtree("models/sft")
    tokenizer.save_pretrained("models/sft")
    with pytest.raises(Refusal, match="its tokenizer has no EOS token; name one"):
        models.load_tokenizer("models/sft")
