"""Completions from a model: greedy, or at a temperature, of all tokens or the likeliest; K a prompt from one prefill.

A prompt is computed once and its keys and values are kept once (see cascade). Rows that have ended leave the batch.
Each prompt's rows draw from numbers that are made beforehand by its generator, so a completion does not depend on the
batch that it was computed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from tasks.engine import attention, groups
from tasks.engine.back_ends import CannotShare
from tasks.engine.cascade import Cascade
from tasks.engine.generation import Completion, cut, generate
from tasks.engine.groups import Group, Ids
from tasks.engine.scoring import Scorer, completion_logps

CHECKED_STEPS = 8
GREEDY = -1.0  # in place of a uniform number
LEAVE = 0.75  # of the rows still going: the ended ones are taken out then, as each time copies the rest


class Decoding(NamedTuple):
    """How completions are decoded, greedy ones and drawn ones alike."""

    max_new_tokens: int
    eos: int
    batch_size: int  # about how many rows at once
    temperature: float = 1.0
    top_p: float = 1.0


@torch.no_grad()
def sample(
    scorer: Scorer,
    prompts: Sequence[Ids],
    *,
    completions: int,
    max_new_tokens: int,
    batch_size: int,
    eos: int,
    generators: Sequence[torch.Generator] | None,
    temperature: float = 1.0,
    top_p: float = 1.0,
    greedy: bool = False,
    scored: bool = False,
    said: Callable[[int, int], None] = lambda done, of: None,
) -> list[list[Completion]]:
    """`completions` of each prompt, in the prompts' order, drawn by its own generator; greedy for None.

    prompts: token ids, of any lengths; about `batch_size` rows are decoded at once, of prompts of like length.
    temperature: of the draws; at 1 a completion is drawn from the distribution that its log-probability is of.
    top_p: draws are from the fewest of the likeliest tokens that have so much of the probability together.
    greedy: a greedy completion stands before the drawn ones. scored: every completion has its log-probabilities.
    """
    how = Decoding(max_new_tokens, eos, batch_size, temperature, top_p)
    if scorer.rows is None:
        _check(scorer, prompts, eos)
    if scorer.rows is not None:
        by_rows = partial(_by_rows, scorer, prompts, how, scored=scored, said=said)
        drawn = by_rows(completions, generators)
        return [a + b for a, b in zip(by_rows(1, None), drawn, strict=True)] if greedy else drawn
    uniform = None
    if generators is not None:
        shape = (completions, max_new_tokens)
        uniform = torch.stack([torch.rand(shape, generator=one) for one in generators])
        if greedy:
            uniform = torch.nn.functional.pad(uniform, (0, 0, 1, 0), value=GREEDY)
    times = completions + greedy
    order = sorted(range(len(prompts)), key=lambda place: (len(prompts[place]), place))
    at_once = max(1, batch_size // times)
    found: list[list[Completion]] = [[] for _ in prompts]
    for start in range(0, len(order), at_once):
        batch = order[start : start + at_once]
        drawn = None if uniform is None else uniform[batch].flatten(0, 1)
        logps = (
            torch.zeros(len(batch) * times, max_new_tokens, device=scorer.model.device) if scored else None
        )
        some = [prompts[place] for place in batch]
        ids = decode(scorer, some, times, how, drawn, logps)
        rows = [cut(row, eos) for row in ids.tolist()]
        if logps is not None:
            told = zip(rows, logps.tolist(), strict=True)
            rows = [replace(row, logps=numbers[: len(row.ids)]) for row, numbers in told]
        for number, place in enumerate(batch):
            found[place] = rows[number * times : (number + 1) * times]
        said(min(start + at_once, len(order)) * times, len(order) * times)
    return found


def seeded(seed: int, places: Iterable[int]) -> list[torch.Generator]:
    """A generator for each place, whose numbers depend on nothing but the seed and the place."""
    # mixed into 32 bits, which is all that PyTorch's CPU generator reads of a seed
    mixed = [np.random.SeedSequence([seed, place]).generate_state(1)[0] for place in places]
    return [torch.Generator().manual_seed(int(one)) for one in mixed]


def decode(
    scorer: Scorer,
    prompts: Sequence[Ids],
    times: int,
    how: Decoding,
    drawn: torch.Tensor | None,
    logps: torch.Tensor | None = None,
) -> torch.Tensor:
    """Ids (rows, T), EOS behind the end, T being max_new_tokens; `times` rows a prompt, one behind the other.

    drawn: uniform numbers (rows, T), GREEDY in rows that are greedy, or None where all are. logps: None, or (rows, T)
    to be given their log-probabilities at temperature 1.
    """
    training = scorer.model.training
    scorer.model.eval()
    try:
        with scorer.autocast():
            return _decode(scorer, prompts, times, how, drawn, logps)
    finally:
        scorer.model.train(training)


def _decode(
    scorer: Scorer,
    prompts: Sequence[Ids],
    times: int,
    how: Decoding,
    drawn: torch.Tensor | None,
    logps: torch.Tensor | None,
) -> torch.Tensor:
    device, most, eos = scorer.model.device, how.max_new_tokens, how.eos
    cascade, logits = _prefill(scorer, prompts, times, most)
    rows = torch.arange(len(prompts) * times, device=device)  # those in the batch
    going = torch.ones(len(rows), dtype=torch.bool, device=device)
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device).repeat_interleave(times)
    ids = torch.full((len(rows), most), eos, device=device)
    drawn = None if drawn is None else drawn.to(device)
    for step in range(most):
        chosen = _choose(logits, None if drawn is None else drawn[rows, step], how.temperature, how.top_p)
        ids[rows[going], step] = chosen[going]
        if logps is not None:
            logps[rows[going], step] = logits[going].log_softmax(-1).gather(-1, chosen[going, None])[:, 0]
        going = going & (chosen != eos)
        left = int(going.sum())
        if not left or step + 1 == most:
            break
        if left <= LEAVE * len(rows):
            cascade.keep(going)
            rows, lengths, chosen = rows[going], lengths[going], chosen[going]
            going = going[going]
        hidden = scorer.bare.base_model(
            input_ids=chosen[None],
            position_ids=(lengths + step)[None],
            attention_mask=attention.OPAQUE,
            layout=cascade,
            use_cache=False,
        ).last_hidden_state[0]
        cascade.step += 1
        logits = scorer.head(hidden)
    return ids


def _check(scorer: Scorer, prompts: Sequence[Ids], eos: int) -> None:
    """Once: a few greedy steps, whose log-probabilities naive rows must give, too; else rows from now on."""
    if scorer.decodes or not prompts:
        return
    scorer.decodes = True
    prompts = sorted(set(prompts), key=len)
    prompts = prompts[:1] + prompts[1:][-1:]
    logps = torch.zeros(2 * len(prompts), CHECKED_STEPS, device=scorer.model.device)
    try:
        ids = decode(scorer, prompts, 2, Decoding(CHECKED_STEPS, eos, 2 * len(prompts)), None, logps)
    except (CannotShare, NotImplementedError, RuntimeError) as error:
        scorer.refuse_to_share(f"decoding failed: {' '.join(str(error).split())[:200]}")
        return
    rows = [tuple(cut(row, eos).ids) for row in ids[::2].tolist()]
    some = [Group(prompt, (row,)) for prompt, row in zip(prompts, rows, strict=True)]
    ours = torch.cat([told[: len(row)] for told, row in zip(logps[::2], rows, strict=True)])
    difference = scorer.differ(ours, scorer.naive(some))
    if difference is not None:
        scorer.refuse_to_share(f"in decoding {difference}")


def _by_rows(
    scorer: Scorer,
    prompts: Sequence[Ids],
    how: Decoding,
    completions: int,
    generators: Sequence[torch.Generator] | None,
    *,
    scored: bool,
    said: Callable[[int, int], None],
) -> list[list[Completion]]:
    """The same by transformers' generate, a prompt as often as it has completions."""
    rows = [list(prompt) for prompt in prompts for _ in range(completions)]
    seed = None if generators is None else int(torch.randint(2**31, (1,), generator=generators[0]))
    found = generate(
        scorer.model,
        rows,
        eos=how.eos,
        max_new_tokens=how.max_new_tokens,
        batch_size=how.batch_size,
        seed=seed,
        temperature=how.temperature,
        top_p=how.top_p,
        said=said,
    )
    if scored:
        asked = [Group(tuple(row), (tuple(one.ids),)) for row, one in zip(rows, found, strict=True)]
        told = completion_logps(scorer, asked, max(group.tokens for group in asked) * how.batch_size)
        found = [replace(one, logps=logps.tolist()) for one, logps in zip(found, told, strict=True)]
    return [found[start : start + completions] for start in range(0, len(found), completions)]


def _choose(
    logits: torch.Tensor, drawn: torch.Tensor | None, temperature: float, top_p: float = 1.0
) -> torch.Tensor:
    """(R,) tokens of logits (R, V): by the inverse of the distribution function at drawn (R,), the likeliest at GREEDY.

    None is GREEDY everywhere.
    """
    if drawn is None:
        return logits.argmax(-1)
    chances = (logits.double() / temperature).softmax(-1)
    if top_p < 1:
        chances = _likeliest(chances, top_p)
    cumulated = chances.cumsum(-1)
    wanted = drawn.double()[:, None] * cumulated[:, -1:]
    chosen = torch.searchsorted(cumulated, wanted, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)
    return torch.where(drawn == GREEDY, logits.argmax(-1), chosen)


def _likeliest(chances: torch.Tensor, top_p: float) -> torch.Tensor:
    """The same (R, V) with 0 for all but the nucleus (Holtzman et al. 2019, arXiv 1904.09751, section 3.1)."""
    ordered, places = chances.sort(dim=-1, descending=True, stable=True)
    before = ordered.cumsum(-1) - ordered
    return torch.zeros_like(chances).scatter(-1, places, ordered.where(before < top_p, 0.0))


def _prefill(scorer: Scorer, prompts: Sequence[Ids], times: int, most: int) -> tuple[Cascade, torch.Tensor]:
    """What decoding attends to, and the logits (prompts x times, V) behind each prompt; equal ones are one prompt."""
    device = scorer.model.device
    places = {prompt: place for place, prompt in enumerate(dict.fromkeys(prompts))}
    lengths = [len(prompt) for prompt in places]
    owners = torch.tensor([places[prompt] for prompt in prompts], device=device).repeat_interleave(times)
    plan = scorer.plan([Group(prompt, ()) for prompt in places])
    plan.forward["layout"].kept = {}
    hidden = scorer.hidden(plan)[0]
    ends = torch.tensor(groups.starts(lengths)[1:], device=device) - 1
    return Cascade(plan.forward["layout"].kept, lengths, owners, most), scorer.head(hidden[ends])[owners]
