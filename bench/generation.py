"""Sampling alone: K completions a prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from statistics import mean
from typing import Any

import torch
from transformers import GenerationConfig

from bench import batches, flops, parity
from bench.models import EOS, PAD, Models
from bench.pairing import Result, Side, measure
from bench.peers import LONGEST, their_rloo
from bench.rloo import lengths, tokens
from tasks.engine.groups import Group, Ids
from tasks.engine.sampling import sample, seeded
from tasks.engine.scoring import Scorer

PROMPTS, PROMPT, COMPLETIONS, FLOOR = 2, 1024, 8, 5


def run(models: Models, rounds: int, said: Callable[[Result], None]) -> None:
    """Nothing; the case is told when it is done."""
    prompts = batches.prompts(PROMPTS, PROMPT, seed=5)
    trainer = their_rloo(models, prompts, COMPLETIONS, best=True)
    scorer = Scorer(models.policy())
    theirs, ours = _theirs(trainer, prompts), _ours(scorer, prompts)
    _same_greedy(trainer, scorer, prompts)
    timing = measure(theirs, ours, rounds)
    predicted = mean(map(flops.their_sampling, timing.their_groups)) / mean(
        map(flops.our_sampling, timing.our_groups)
    )
    name = f"sampling, P {PROMPT}, K {COMPLETIONS}, {PROMPTS} prompts"
    note = f"greedy ids identical; {lengths(timing)}"
    said(Result(name, "TRL (generate)", FLOOR, timing, tokens(timing), predicted, note))


def _theirs(trainer: Any, prompts: Sequence[Ids]) -> Side:
    repeated = [list(prompt) for prompt in prompts for _ in range(COMPLETIONS)]
    state: dict[str, list[Group]] = {}
    draws = count()

    def prepare(_: int) -> list[list[int]]:
        torch.manual_seed(next(draws))
        return repeated

    def run(rows: list[list[int]]) -> None:
        found = trainer._generate_single_turn(rows, None, {})
        state["groups"] = [
            Group(prompt, tuple(map(tuple, found[n * COMPLETIONS : (n + 1) * COMPLETIONS])))
            for n, prompt in enumerate(prompts)
        ]

    return Side(prepare, run, lambda: state["groups"])


def _ours(scorer: Scorer, prompts: Sequence[Ids], *, greedy: bool = False) -> Side:
    state: dict[str, list[Group]] = {}
    draws = count()

    def run(generators: Any) -> None:
        found = sample(
            scorer,
            prompts,
            completions=COMPLETIONS,
            max_new_tokens=LONGEST,
            batch_size=len(prompts) * COMPLETIONS,
            eos=EOS,
            generators=generators,
        )
        state["groups"] = [
            Group(prompt, tuple(tuple(one.ids) for one in some))
            for prompt, some in zip(prompts, found, strict=True)
        ]

    def prepare(_: int) -> list[torch.Generator] | None:
        return None if greedy else seeded(next(draws), range(len(prompts)))

    return Side(prepare, run, lambda: state["groups"])


def _same_greedy(trainer: Any, scorer: Scorer, prompts: Sequence[Ids]) -> None:
    """Nothing; both found the same ids without chance. EOS, the likeliest by far, is kept out meanwhile."""
    heads = [model.get_output_embeddings().weight for model in (trainer.model, scorer.bare)]
    kept = [head[EOS].clone() for head in heads]
    given = trainer.generation_config, trainer.generation_kwargs
    trainer.generation_kwargs = {
        "max_new_tokens": LONGEST,
        "do_sample": False,
        "pad_token_id": PAD,
        "eos_token_id": [EOS],
    }
    trainer.generation_config = GenerationConfig(**trainer.generation_kwargs, disable_compile=True)
    theirs, ours = _theirs(trainer, prompts), _ours(scorer, prompts, greedy=True)
    try:
        with torch.no_grad():
            for head in heads:
                head[EOS] = 0
            for side in (theirs, ours):
                side.run(side.prepare(0))
    finally:
        trainer.generation_config, trainer.generation_kwargs = given
        with torch.no_grad():
            for head, row in zip(heads, kept, strict=True):
                head[EOS] = row
    parity.same("greedy ids", theirs.worked_on(), ours.worked_on())
