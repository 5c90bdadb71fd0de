"""A project in miniature with every stage and every method: trainings of a few steps of a model of one layer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from flows import branches

ROOT = Path(__file__).resolve().parents[1]
CODE = ("tasks", "assets", "params.yaml", "dvc.yaml", ".dvcignore", ".gitignore")
STEPS = {"steps": 6, "batch_size": 4, "warmup_steps": 0, "checkpoint_every": 2, "gradient_accumulation": 1}
LORA = {"rank": 2, "alpha": 4.0, "dropout": 0.0, "modules": "all-linear"}
ADAPTED = ("rpo", "jbond")  # with an adapter, which is kept and merged in another way


def make(folder: Path, judge: str | None, only: list[str] | None = None) -> None:
    """Nothing; the folder is a project under git and DVC, of which nothing has run.

    judge: the address of an OpenAI-compatible endpoint for the stage duel. only: these branches, not all.
    """
    folder.mkdir(parents=True)
    for name in CODE:
        place = ROOT / name
        if place.is_dir():
            shutil.copytree(place, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(place, folder / name)
    kept = subprocess.run(
        ["git", "ls-files", "*.gitkeep"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    for name in kept:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    branches.write(parameters(judge, only), folder)
    for words in (["git", "init", "--quiet"], [sys.executable, "-m", "dvc", "init", "--quiet"]):
        subprocess.run(words, cwd=folder, check=True)
    shutil.copy(ROOT / ".dvc/config", folder / ".dvc/config")
    shutil.copytree(ROOT / ".dvc/plots", folder / ".dvc/plots", dirs_exist_ok=True)


def parameters(judge: str | None, only: list[str] | None) -> dict[str, Any]:
    """params.yaml with the branches of `make run-all` and `make run-iterate`, all of them small."""
    given = branches.every(ROOT)
    read = YAML(typ="safe", pure=True).load
    iterate, strength = (
        read((ROOT / f"assets/{name}.yaml").read_text("utf-8")) for name in ("iterate", "strength")
    )
    for family, entries in iterate["branches"].items():
        given["branches"][family] = dict(entries)
    given["branches"]["iterated"].pop("self_positives")  # of a judge that knows nothing there are none
    dpo = given["branches"]["pairs"]["dpo"]
    cures = {name: strength["cures"][name] for name in ("dpo_flip20", "dpo_soft_margin")}
    given["branches"]["cured"] = {name: {**dpo, "cure": cure} for name, cure in cures.items()}
    given["strength"] = {
        **strength["strength"],
        "members": [0, 1],
        "votes": {"halves": {"kind": "kfold", "folds": 2}},
    }
    for entry in given["branches"]["cured"].values():
        entry["cure"] = {**entry["cure"], "strength": "halves"}
    if only is not None:
        for family, entries in given["branches"].items():
            given["branches"][family] = {name: entry for name, entry in entries.items() if name in only}
    _shrink(given)
    if judge is not None:
        given["duel"]["judges"] = {"stub": _judge(judge)}
    return given


def _shrink(given: dict[str, Any]) -> None:
    given["seeds"] = [0]
    given["compute"] |= {"threads": 1, "trunk_threads": 1, "tokens_at_once": 4096, "device": "cpu"}
    given["prepare"]["source"] |= {"train": 60, "validation": 8, "test": 8, "unlabelled": 60}
    shipped = YAML(typ="safe", pure=True).load((ROOT / "assets/base.yaml").read_text("utf-8"))["model"]
    size = {
        "vocabulary": 1000,
        "layers": 1,
        "width": 32,
        "heads": 2,
        "steps": 20,
        "batch_size": 8,
        "window": 1024,
    }
    given["base"]["source"] = {**shipped, **size}
    given["text"]["max_completion_tokens"] = 32
    for block in (given["sft"]["source"], given["reward"]["source"]):
        block["optimisation"] |= STEPS
    given["sft"]["source"]["optimisation"] |= {"steps": 40, "checkpoint_every": 8, "learning_rate": 1e-2}
    given["sample"] |= {"documents": None, "completions": 4, "batch_size": 64}
    given["judge"]["kind"] = "rouge"
    given["pairs"] |= {"fold_b": 0.3, "holdout": 0.15}
    given["pairs"]["source"]["min_margin"] = 1e-6
    given["feedback"] |= {"documents": 12, "batch_size": 64}
    given["iterate"] |= {"documents": 8, "judgements": 1, "below_bar": "reward", "batch_size": 64}
    given["iterate"]["taught"] = {"summaries": 30, "judgings": 30}
    given["evaluate"] |= {"samples": 1, "best_of": 2, "snapshot_prompts": 4, "batch_size": 64}
    given["align"]["snapshots"] = 1
    given["compare"]["resamples"] = 1000
    for entries in given["branches"].values():
        for name, entry in entries.items():
            _shrink_branch(name, entry)


def _shrink_branch(name: str, entry: dict[str, Any]) -> None:
    entry["optimisation"] = {**entry["optimisation"], **STEPS, "lora": LORA if name in ADAPTED else None}
    for field, most in (("completions", 2), ("anchor_samples", 8), ("epochs", 2), ("anchor_every", 3)):
        if field in entry:
            entry[field] = min(entry[field], most)


def _judge(address: str) -> Mapping[str, Any]:
    return {
        "kind": "endpoint",
        "url": address,
        "model": "stub",
        "rubric": "en",
        "temperature": 0.0,
        "reply_tokens": 64,
        "concurrency": 2,
        "max_attempts": 2,
        "timeout_seconds": 60.0,
        "requests_per_minute": None,
        "price": {"input": 0.0, "output": 0.0, "reply_tokens": 64, "max_cost": 0.0},
    }
