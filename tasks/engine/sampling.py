"""Completions from a model: greedy, or at a temperature from the whole distribution; K a prompt from one prefill.

A prompt is computed once and its keys and values are kept once. Every row attends to its prompt's and to its own, and
the two halves are joined by their normalizers (cascade attention: Juravsky et al. 2024, arXiv 2402.05099, equation 2).
Rows that have ended leave the batch. Each prompt's rows draw from numbers that are made beforehand by its generator,
so a completion does not depend on the batch that it was computed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from tasks.engine import attention, groups
from tasks.engine.back_ends import CannotShare, Rule, capped
from tasks.engine.generation import Completion, cut, generate
from tasks.engine.groups import Group, Ids
from tasks.engine.scoring import Scorer, completion_logps

CHECKED_STEPS = 8
GREEDY = -1.0  # in place of a uniform number
LEAVE = 0.75  # of the rows still going: the ended ones are taken out then, as each time copies the rest


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
    greedy: bool = False,
    scored: bool = False,
    said: Callable[[int, int], None] = lambda done, of: None,
) -> list[list[Completion]]:
    """`completions` of each prompt, in the prompts' order, drawn by its own generator; greedy for None.

    prompts: token ids, of any lengths; about `batch_size` rows are decoded at once, of prompts of like length.
    temperature: of the draws; at 1 a completion is drawn from the distribution that its log-probability is of.
    greedy: a greedy completion stands before the drawn ones. scored: every completion has its log-probabilities.
    """
    if scorer.rows is None:
        _check(scorer, prompts, eos)
    if scorer.rows is not None:
        by_rows = partial(
            _by_rows, scorer, prompts, max_new_tokens, batch_size, eos, scored=scored, said=said
        )
        drawn = by_rows(completions, generators, temperature)
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
        ids = decode(scorer, some, times, max_new_tokens, eos, drawn, logps, temperature=temperature)
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
    most: int,
    eos: int,
    drawn: torch.Tensor | None,
    logps: torch.Tensor | None = None,
    *,
    temperature: float = 1.0,
) -> torch.Tensor:
    """Ids (rows, most), EOS behind the end; `logps`, of the same shape, is given their log-probabilities at T = 1.

    `times` rows a prompt, one behind the other; drawn: uniform numbers (rows, most), GREEDY in rows that are greedy, or
    None where all are.
    """
    training = scorer.model.training
    scorer.model.eval()
    try:
        with scorer.autocast():
            return _decode(scorer, prompts, times, most, eos, drawn, logps, temperature)
    finally:
        scorer.model.train(training)


def _decode(
    scorer: Scorer,
    prompts: Sequence[Ids],
    times: int,
    most: int,
    eos: int,
    drawn: torch.Tensor | None,
    logps: torch.Tensor | None,
    temperature: float,
) -> torch.Tensor:
    device = scorer.model.device
    cascade, hidden = _prefill(scorer, prompts, times, most)
    rows = torch.arange(len(prompts) * times, device=device)  # those in the batch
    going = torch.ones(len(rows), dtype=torch.bool, device=device)
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device).repeat_interleave(times)
    ids = torch.full((len(rows), most), eos, device=device)
    drawn = None if drawn is None else drawn.to(device)
    logits = scorer.head(hidden).repeat_interleave(times, 0)
    for step in range(most):
        chosen = _choose(logits, None if drawn is None else drawn[rows, step], temperature)
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
        ids = decode(scorer, prompts, 2, CHECKED_STEPS, eos, None, logps)
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
    max_new_tokens: int,
    batch_size: int,
    eos: int,
    completions: int,
    generators: Sequence[torch.Generator] | None,
    temperature: float = 1.0,
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
        eos=eos,
        max_new_tokens=max_new_tokens,
        batch_size=batch_size,
        seed=seed,
        temperature=temperature,
        said=said,
    )
    if scored:
        asked = [Group(tuple(row), (tuple(one.ids),)) for row, one in zip(rows, found, strict=True)]
        told = completion_logps(scorer, asked, max(group.tokens for group in asked) * batch_size)
        found = [replace(one, logps=logps.tolist()) for one, logps in zip(found, told, strict=True)]
    return [found[start : start + completions] for start in range(0, len(found), completions)]


def _choose(logits: torch.Tensor, drawn: torch.Tensor | None, temperature: float) -> torch.Tensor:
    """(R,) tokens of logits (R, V): by the inverse of the distribution function at drawn (R,), the likeliest at GREEDY.

    None is GREEDY everywhere.
    """
    if drawn is None:
        return logits.argmax(-1)
    cumulated = (logits.double() / temperature).softmax(-1).cumsum(-1)
    wanted = drawn.double()[:, None] * cumulated[:, -1:]
    chosen = torch.searchsorted(cumulated, wanted, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)
    return torch.where(drawn == GREEDY, logits.argmax(-1), chosen)


def _prefill(scorer: Scorer, prompts: Sequence[Ids], times: int, most: int) -> tuple[Cascade, torch.Tensor]:
    """What decoding attends to, and the hidden states (prompts, E) behind each prompt."""
    device, lengths = scorer.model.device, [len(prompt) for prompt in prompts]
    plan = scorer.plan([Group(prompt, ()) for prompt in prompts])
    plan.forward["layout"].kept = {}
    hidden = scorer.hidden(plan)[0]
    ends = torch.tensor(groups.starts(lengths)[1:], device=device) - 1
    return Cascade(plan.forward["layout"].kept, lengths, times, most), hidden[ends]


class Cascade:
    """G prompts' keys and values, and those of the R rows behind them, by layer; a `layout` for one token a row."""

    def __init__(
        self, kept: dict[int, tuple[torch.Tensor, torch.Tensor]], lengths: list[int], times: int, most: int
    ):
        any_key = next(iter(kept.values()))[0]
        self.device, self.step = any_key.device, 0
        self._lengths = torch.tensor(lengths, device=self.device)  # (G,)
        longest = torch.arange(max(lengths), device=self.device)
        places = torch.tensor(groups.starts(lengths)[:-1], device=self.device)[:, None] + longest
        places = places.clamp(max=any_key.shape[2] - 1)  # what stands behind a shorter prompt is masked
        self._prompts = {
            layer: tuple(tensor[0][:, places].transpose(0, 1).contiguous() for tensor in both)
            for layer, both in kept.items()
        }
        rows = (len(lengths) * times, any_key.shape[1], most)
        self._rows = {  # keys and values may differ in width
            layer: tuple(tensor.new_empty(*rows, tensor.shape[3]) for tensor in both)
            for layer, both in kept.items()
        }
        self._arrange(torch.arange(len(lengths), device=self.device).repeat_interleave(times))

    def keep(self, going: torch.Tensor) -> None:
        """Nothing; only these of the R rows go on, and prompts without a row leave, too."""
        self._rows = {layer: tuple(tensor[going] for tensor in both) for layer, both in self._rows.items()}
        needed, owners = torch.unique(self._owners[going], return_inverse=True)
        if len(needed) < len(self._lengths):
            self._lengths = self._lengths[needed]
            self._prompts = {layer: tuple(t[needed] for t in both) for layer, both in self._prompts.items()}
        self._arrange(owners)

    def _arrange(self, owners: torch.Tensor) -> None:
        """Rows as a table, one line a prompt: `_slots` (R,) into G x width."""
        self._owners = owners
        counts = torch.bincount(owners, minlength=len(self._lengths))
        self._width = int(counts.max())
        first = counts.cumsum(0) - counts
        self._slots = owners * self._width + torch.arange(len(owners), device=self.device) - first[owners]
        self._full = len(owners) == len(self._lengths) * self._width
        self._masks: dict[int | None, torch.Tensor] = {}

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rule: Rule
    ) -> torch.Tensor:
        """query (1, H, R, D), key and value (1, H_kv, R, D): one token a row -> (1, H, R, D)."""
        heads, width = key.shape[1], query.shape[3]
        for tensor, fresh in zip(self._rows[layer], (key, value), strict=True):
            tensor[:, :, self.step] = fresh[0].transpose(0, 1)
        first = 0 if rule.window is None else max(0, self.step + 1 - rule.window)
        own = [tensor[:, :, first : self.step + 1] for tensor in self._rows[layer]]
        rows = query[0].transpose(0, 1).unflatten(1, (heads, -1))  # (R, H_kv, H / H_kv, D)
        table = self._table(rows.flatten(1)).view(len(self._lengths), self._width, heads, -1, width)
        shape = (*table.transpose(1, 2).shape[:-1], value.shape[3])
        out, normalizer = _part(
            table.transpose(1, 2).flatten(2, 3), *self._prompts[layer], self._mask(rule.window), rule
        )
        out = self._untable(out.view(shape).transpose(1, 2).flatten(0, 1))
        normalizer = self._untable(normalizer.view(*shape[:-1], 1).transpose(1, 2).flatten(0, 1))
        mine, own_normalizer = _part(rows, *own, None, rule)
        share = torch.sigmoid(normalizer - own_normalizer)
        joined = share * out + (1 - share) * mine
        return joined.flatten(1, 2).transpose(0, 1)[None].to(value.dtype)

    def _mask(self, window: int | None) -> torch.Tensor | None:
        """(G, 1, 1, longest) bool: what of the prompts the current step sees; None for all."""
        longest = next(iter(self._prompts.values()))[0].shape[2]
        if window is None or window > longest + self.step:
            window = None
        if window is None and None in self._masks:
            return self._masks[None]
        place = torch.arange(longest, device=self.device)
        seen = place < self._lengths[:, None]
        if window is not None:
            seen &= place > self._lengths[:, None] + self.step - window
            return seen[:, None, None]
        self._masks[None] = seen[:, None, None]
        return self._masks[None]

    def _table(self, rows: torch.Tensor) -> torch.Tensor:
        if self._full:
            return rows
        empty = rows.new_zeros(len(self._lengths) * self._width, *rows.shape[1:])
        return empty.index_copy(0, self._slots, rows)

    def _untable(self, table: torch.Tensor) -> torch.Tensor:
        return table if self._full else table[self._slots]


def _part(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, rule: Rule
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention of (B, H, Q, D) over (B, H, K, D) alone, and the logarithm of its normalizer (B, H, Q, 1), float32."""
    scores = capped((query @ key.transpose(2, 3)).float() * rule.scale, rule.softcap)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    highest = scores.amax(-1, keepdim=True)
    weights = (scores - highest).exp_()
    total = weights.sum(-1, keepdim=True)
    return weights.to(value.dtype) @ value / total, highest + total.log()
