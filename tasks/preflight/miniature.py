"""A project in miniature, in a folder of its own: its parameters, two layers of its model at random, a few rows.

Its stages are the real ones, so what it shows of a branch's first step is what the stage itself would do.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from ruamel.yaml import YAML

from tasks import parameters
from tasks.corpus.candidates import MODEL, ROUND
from tasks.corpus.preferences import own_rows
from tasks.measures.gold import known_of
from tasks.preflight.seen import Seen
from tasks.refusal import Refusal
from tasks.settings import Branch

LAYERS, ROWS, NEW_TOKENS, PAIRS = 2, 8, 12, Path("data/pairs/a.parquet")
MOST = 5_000_000  # parameters of a copy; one of a larger model is made narrow too
NARROW = {  # what of a configuration makes its layers wide
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
}


@contextmanager
def made(seen: Seen, entries: dict[str, tuple[str, Branch]]) -> Iterator[Path]:
    """The miniature as the working directory, with what these branches (name -> family, entry) read."""
    rows = pairs(seen)
    with TemporaryDirectory(prefix="gallim-check-") as folder:
        tokenizer, config = copy.deepcopy(seen.tokenizer), two_layers(seen.config)
        given = _parameters(seen, entries)
        with chdir(folder):
            with Path("params.yaml").open("w", encoding="utf-8") as file:
                YAML(typ="safe", pure=True).dump(given, file)
            weights = _models(config, tokenizer, entries)
            for family, name in {(family, name) for name, (family, _) in entries.items()}:
                _rows(family, name, rows, weights)
            yield Path(folder)


def two_layers(config: Any) -> Any:
    """The same architecture with two layers, and narrow where it would be large even so."""
    small = copy.deepcopy(config)
    text = small.get_text_config()
    text.num_hidden_layers = min(LAYERS, text.num_hidden_layers)
    if getattr(text, "layer_types", None):
        text.layer_types = list(text.layer_types[: text.num_hidden_layers])
    if getattr(text, "max_window_layers", None) is not None:
        text.max_window_layers = min(text.max_window_layers, text.num_hidden_layers)
    if parameters_of(small) > MOST:
        for name, value in NARROW.items():
            if getattr(text, name, None) is not None:
                setattr(text, name, value)
    return small


def parameters_of(config: Any) -> int:
    """How many numbers a causal model of this configuration has; none of them is made."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    return sum(weight.numel() for weight in model.parameters())


def random_model(config: Any) -> Any:
    """A causal model of this configuration, its weights drawn from seed 0, in float32."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


def pairs(seen: Seen) -> list[dict[str, Any]]:
    """A few pairs of different prompts: the project's own, or summaries against others' summaries."""
    if seen.current("pairs", PAIRS):
        every = pq.read_table(PAIRS).slice(0, 50 * ROWS).to_pylist()
    elif seen.given.pairs.source.kind == "own":
        from tasks.engine.text import render_chat

        every = own_rows(Path(seen.given.own.pairs), lambda turns: render_chat(seen.tokenizer, turns))[0]
    else:
        every = _synthetic(seen)
    first: dict[str, dict[str, Any]] = {}
    for row in every:
        first.setdefault(row["prompt"], row)
    if len(first) < ROWS:
        raise Refusal(
            "data/pairs", f"there are {len(first)} prompts, and a check takes {ROWS}", "give more rows"
        )
    return list(first.values())[:ROWS]


def _synthetic(seen: Seen) -> list[dict[str, Any]]:
    from tasks.engine.text import render

    rows, kind = seen.splits["train"].rows, seen.given.judge.kind
    found = []
    for row, other in zip(rows, [*rows[1:], *rows[:1]], strict=True):
        prompt = render(seen.tokenizer, row["document"], seen.given.text)
        sides = {"chosen": row["summary"], "rejected": other["summary"]}
        found.append({"id": row["id"], "prompt": prompt, **sides, "gold": known_of(kind, row), "judge": kind})
    return found


def walk(family: str, entry: Branch) -> dict[str, Any]:
    """The entry with one small step, whose learning rate is the whole from the first."""
    given = entry.model_dump(mode="json")
    together = given.get("completions", 1) if family in ("online", "critic") else 1
    step = {"steps": 1, "warmup_steps": 0, "batch_size": 2 * together}
    step |= {"gradient_accumulation": 1, "checkpoint_every": 1000 * given.get("epochs", 1)}
    given["optimisation"] |= step
    return given


def _parameters(seen: Seen, entries: dict[str, tuple[str, Branch]]) -> dict[str, Any]:
    given = seen.given.model_dump(mode="json")
    given["compute"]["device"] = "cpu"
    given["text"]["max_completion_tokens"] = min(NEW_TOKENS, given["text"]["max_completion_tokens"])
    given["align"]["snapshots"] = 0
    for name, (family, entry) in entries.items():
        given["branches"][family][name] = walk(family, entry)
    return given


def _models(config: Any, tokenizer: Any, entries: dict[str, tuple[str, Branch]]) -> str:
    """The start, the base and fold A's reward model; the hash of the start's weights."""
    import torch

    from tasks.engine import models

    model = random_model(config)
    models.separate_pad(model, tokenizer)
    weights = str(models.save(model, tokenizer, models.SFT)["weights_sha256"])
    shutil.copytree(models.SFT, models.BASE)
    for _, (family, entry) in entries.items():
        after = getattr(entry, "after", "sft") if family == "iterated" else "sft"
        if after != "sft" and not Path(f"models/{after}-0").exists():
            shutil.copytree(models.SFT, Path(f"models/{after}-0"))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        reward = models.new_reward(models.SFT, parameters.read().compute)
    models.save(reward, tokenizer, Path("models/reward-a"), mean=0.0, deviation=1.0)
    return weights


def _rows(family: str, name: str, rows: list[dict[str, Any]], weights: str) -> None:
    """The file that the family reads, with every column that any family asks of a row."""
    import importlib

    path = Path(importlib.import_module(f"tasks.engine.families.{family}").TRAIN.format(branch=name, seed=0))
    more = [
        {
            **row,
            "completion": row["chosen" if at % 2 == 0 else "rejected"],
            "desirable": at % 2 == 0,
            "wanted_margin": 0.0,
            "smoothing": 0.0,
            "score": 1.0,
        }
        for at, row in enumerate(rows)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(more)
    told = {**(table.schema.metadata or {}), MODEL: weights.encode(), ROUND: b"1"}
    pq.write_table(table.replace_schema_metadata(told), path)
