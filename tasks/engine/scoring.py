"""Numbers that a model gives to prompt groups: per-token log-probabilities, their entropy, and rewards.

Training, RLOO, evaluation and summaries all pass through here with the ids of tasks/engine/text.py, so that a reward
model never sees other text when it is used than when it was trained. A `Scorer` shares every prompt among its
completions where that is exact. It does not take that on trust: its first groups are computed as naive rows too, by
transformers' own attention, and if the numbers differ it computes rows from then on and says so.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from tasks.engine import attention, groups
from tasks.engine.back_ends import CannotShare, capped
from tasks.engine.groups import Group, Plan

HEAD_ELEMENTS = 2**26  # logits at once: a quarter of a GiB in float32
NOISE = {
    torch.float32: 1e-4,
    torch.bfloat16: 0.25,
    torch.float16: 0.05,
}  # nats a token, or reward, by rounding alone


class Scores(NamedTuple):
    """Log-probabilities (nats) of the U different completions' N tokens, and which the asked ones are."""

    logps: torch.Tensor  # (N,) float32, in the order of the plan
    entropy: torch.Tensor | None  # (N,) float32, without gradient
    plan: Plan

    def per_token(self) -> list[torch.Tensor]:
        """One tensor of shape (tokens,) a completion asked for."""
        cut = groups.split(self.logps, self.plan.lengths)
        return [cut[place] for place in self.plan.places.tolist()]

    def sums(self) -> torch.Tensor:
        """(asked,): log pi(y | x), nats a sequence; added up in float64, as a KL is the difference of two of them."""
        empty = self.logps.new_zeros(len(self.plan.lengths), dtype=torch.float64)
        sums = empty.index_add(0, self.plan.owners, self.logps.double())
        return sums.float()[self.plan.places]

    def tokens(self) -> torch.Tensor:
        """(asked,): tokens of each completion."""
        return torch.tensor(self.plan.lengths, device=self.logps.device)[self.plan.places]


class Scorer:
    """A model's log-probabilities or rewards of groups; `rows` says why prompts are not shared, or is None."""

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        dtype: torch.dtype | None = None,
        back_end: str | None = None,
        said: Callable[[str], None] = print,
    ):
        self.model, self._said = model, said
        self.bare = attention.bare(model)
        self._selects = "logits_to_keep" in inspect.signature(self.bare.forward).parameters
        self._dtype = dtype or next(model.parameters()).dtype
        self.rows = attention.obstacle(model)
        self.back_end = back_end or self._fastest()
        self._checked: set[bool] = set()
        self.decodes = False  # whether decoding was held against rows, too
        if self.rows is None:
            attention.install(model)
        else:
            self._said(f"prompts are not shared: {self.rows}")

    def copied(self) -> Scorer:
        """Another of the same weights, in memory of its own and without gradient."""
        model = copy.deepcopy(self.model).requires_grad_(False)
        return Scorer(model, dtype=self._dtype, back_end=self.back_end, said=self._said)

    @property
    def numerics(self) -> str:
        """How the numbers are made, for the run record."""
        return f"shared prompts, {self.back_end}" if self.rows is None else f"naive rows: {self.rows}"

    def score(self, asked: Sequence[Group], *, entropy: bool = False, embed: Any = None) -> Scores:
        """Log-probabilities of all completion tokens, with gradient where it is enabled.

        embed: function of (embeddings (B, T, E), plan) -> embeddings, for noise on them.
        """
        self.check(asked)
        plan = self.plan(asked)
        logps, spread = self._logps(plan, entropy=entropy, embed=embed)
        return Scores(logps, spread, plan)

    def rewards(self, asked: Sequence[Group]) -> torch.Tensor:
        """(asked,): a reward model's score of each completion, read at its last token."""
        self.check(asked, reward=True)
        plan = self.plan(asked)
        return self._rewards_of(plan)[plan.places]

    def values(self, asked: Sequence[Group]) -> list[torch.Tensor]:
        """A reward model's head before each token of every completion: a tensor of shape (tokens,) each.

        With gradient where it is enabled; what has been decided is read, not the token itself.
        """
        self.check(asked, reward=True)
        plan = self.plan(asked)
        with self.autocast():
            hidden = self._states(plan)
            values = self.bare.score(hidden.flatten(0, 1).index_select(0, plan.predictors))[:, 0].float()
        cut = groups.split(values, plan.lengths)
        return [cut[place] for place in plan.places.tolist()]

    def representations(self, asked: Sequence[Group], *, embed: Any = None) -> torch.Tensor:
        """(asked, E): what a reward model's head reads of each completion, with gradient; embed as for `score`."""
        self.check(asked, reward=True)
        plan = self.plan(asked)
        with self.autocast():
            hidden = self._states(plan, embed)
        return hidden.flatten(0, 1).index_select(0, plan.ends).float()[plan.places]

    def plan(self, asked: Sequence[Group]) -> Plan:
        """The forward pass for these groups, on the model's device."""
        if self.rows is not None:
            return groups.rows(asked, self.bare.config.get_text_config().pad_token_id).to(self.model.device)
        plan = groups.shared(asked).to(self.model.device)
        plan.forward["layout"].back_end = self.back_end
        return plan

    def _fastest(self) -> str:
        """FlashAttention has no float32 and no softcap; what it or FlexAttention refuses, `block` computes."""
        if self.model.device.type != "cuda":
            return "block"
        if getattr(self.bare.config.get_text_config(), "attn_logit_softcapping", None):
            return "flex"
        return "block" if self._dtype == torch.float32 else "varlen"

    def _logps_of(self, plan: Plan) -> torch.Tensor:
        return self._logps(plan, entropy=False, embed=None)[0]

    def _logps(self, plan: Plan, *, entropy: bool, embed: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
        if self.rows is not None:
            return self._rows_logps(plan, entropy, embed)
        with self.autocast():
            hidden = self.hidden(plan, embed).flatten(0, 1).index_select(0, plan.predictors)
            vocabulary = self.bare.get_output_embeddings().weight.shape[0]
            at_once = max(1, HEAD_ELEMENTS // vocabulary)
            return token_logps(self.head, hidden, plan.targets, at_once=at_once, entropy=entropy)

    def _rows_logps(
        self, plan: Plan, entropy: bool = False, embed: Any = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """From the model's whole forward pass, whatever it does to its logits and puts before its rows."""
        length = plan.input_ids.shape[1]
        first = int((plan.predictors % length).min())  # no earlier position predicts a completion's token
        wanted = {"logits_to_keep": length - first} if self._selects else {}
        with self.autocast():
            logits = self.model(**self._inputs(plan, embed), use_cache=False, **wanted).logits
        kept = logits[:, -(length - first) :].flatten(0, 1).float()
        places = plan.predictors // length * (length - first) + plan.predictors % length - first
        return _logps_and_entropy(kept.index_select(0, places), plan.targets, entropy)

    def _rewards_of(self, plan: Plan) -> torch.Tensor:
        if self.rows is not None:
            with self.autocast():
                return self.model(**self._inputs(plan), use_cache=False).logits[:, 0].float()
        with self.autocast():
            hidden = self.hidden(plan).flatten(0, 1).index_select(0, plan.ends)
            return self.bare.score(hidden)[:, 0].float()

    def hidden(self, plan: Plan, embed: Any = None) -> torch.Tensor:
        """Last hidden states (B, T, E)."""
        forward = self._inputs(plan, embed) | {"attention_mask": attention.OPAQUE}
        return self.bare.base_model(**forward, use_cache=False).last_hidden_state

    def _states(self, plan: Plan, embed: Any = None) -> torch.Tensor:
        """The same, of either plan."""
        if self.rows is None:
            return self.hidden(plan, embed)
        return self.bare.base_model(**self._inputs(plan, embed), use_cache=False).last_hidden_state

    def _inputs(self, plan: Plan, embed: Any = None) -> dict[str, Any]:
        if embed is None:
            return {"input_ids": plan.input_ids, **plan.forward}
        embeddings = self.bare.get_input_embeddings()(plan.input_ids)
        return {"inputs_embeds": embed(embeddings, plan), **plan.forward}

    def head(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits (N, V) in float32 of hidden states (N, E), with what some families do to them."""
        logits = self.bare.get_output_embeddings()(hidden).float()
        config = self.bare.config.get_text_config()
        logits = logits * getattr(config, "logit_scale", 1.0) / getattr(config, "logits_scaling", 1.0)
        return capped(logits, getattr(config, "final_logit_softcapping", None))

    def autocast(self) -> AbstractContextManager[Any]:
        """float32 weights are computed with in compute.dtype, as accelerate does."""
        if next(self.model.parameters()).dtype == self._dtype:
            return nullcontext()
        return torch.autocast(self.model.device.type, dtype=self._dtype)

    def check(self, asked: Sequence[Group], *, reward: bool = False) -> None:
        """Once within a sliding window and once beyond it: some groups as rows, too; rows ever after if they differ."""
        given = sorted((one for one in asked if one.completions), key=lambda one: one.longest)
        window = getattr(self.bare.config.get_text_config(), "sliding_window", None)
        beyond = bool(given) and window is not None and given[-1].longest > window
        if not given or self.rows is not None or beyond in self._checked:
            return
        self._checked |= {beyond}
        training, some = self.model.training, given[:1] + given[1:][-1:]
        numbers = self._rewards_of if reward else self._logps_of
        difference: str | None = None
        self.model.eval()
        try:
            naive = self.naive(some, reward=reward)
            for back_end in dict.fromkeys((self.back_end, "block")):
                self.back_end = back_end
                difference = self._difference(some, naive, numbers)
                if difference is None:
                    return
        finally:
            self.model.train(training)
        self.refuse_to_share(f"on {self.back_end} {difference}")

    def refuse_to_share(self, why: str) -> None:
        """Nothing; naive rows from now on, and a line that says why."""
        self.rows = why
        attention.uninstall(self.model)
        self._said(f"warning: prompts are not shared: {why}; computing naive rows instead")

    def differ(self, numbers: torch.Tensor, naive: torch.Tensor) -> str | None:
        """None when these agree up to rounding, else by how much they do not."""
        worst, noise = float((numbers - naive).abs().max()), NOISE[self._dtype]
        return None if worst <= noise else f"they differ from rows by {worst:.2g}, and noise is {noise:g}"

    @torch.no_grad()
    def _difference(
        self, some: Sequence[Group], naive: torch.Tensor, numbers: Callable[[Plan], torch.Tensor]
    ) -> str | None:
        try:
            return self.differ(numbers(self.plan(some)), naive)
        except (CannotShare, NotImplementedError, RuntimeError) as error:
            return f"it failed: {' '.join(str(error).split())[:200]}"

    @torch.no_grad()
    def naive(self, some: Sequence[Group], *, reward: bool = False) -> torch.Tensor:
        """(N,) log-probabilities or (U,) rewards from rows, by the model's whole forward pass and stock attention."""
        pad = self.bare.config.get_text_config().pad_token_id
        plan = groups.rows(some, pad).to(self.model.device)
        with attention.stock(self.model):
            if not reward:
                return self._rows_logps(plan)[0]
            with self.autocast():
                return self.model(**self._inputs(plan), use_cache=False).logits[:, 0].float()


def completion_logps(scorer: Scorer, asked: Sequence[Group], tokens_at_once: int) -> list[torch.Tensor]:
    """log pi(y_t | x, y_<t) in nats: a float32 tensor of shape (tokens,) on the CPU for each completion asked for."""
    return _in_packs(asked, tokens_at_once, lambda some: scorer.score(some).per_token())


def rewards(scorer: Scorer, asked: Sequence[Group], tokens_at_once: int) -> list[float]:
    """The reward model's score of each completion asked for."""
    return [float(score) for score in _in_packs(asked, tokens_at_once, scorer.rewards)]


def values(scorer: Scorer, asked: Sequence[Group], tokens_at_once: int) -> list[torch.Tensor]:
    """A critic's value before each token: a float32 tensor of shape (tokens,) on the CPU for each completion."""
    return _in_packs(asked, tokens_at_once, scorer.values)


@torch.no_grad()
def _in_packs(
    asked: Sequence[Group], tokens_at_once: int, numbers: Callable[[list[Group]], Iterable[torch.Tensor]]
) -> list[torch.Tensor]:
    """`numbers`, one a completion, of packs of like length, in the order asked for."""
    starts = groups.starts([len(group.completions) for group in asked])
    found = [torch.zeros(0)] * starts[-1]
    for pack in groups.packed(asked, tokens_at_once, by_length=True):
        fresh = iter(numbers([asked[number] for number in pack]))
        for number in pack:
            for place in range(starts[number], starts[number + 1]):
                found[place] = next(fresh).float().cpu()
    return found


def token_logps(
    head: Callable[[torch.Tensor], torch.Tensor],
    hidden: torch.Tensor,
    targets: torch.Tensor,
    *,
    at_once: int,
    entropy: bool = False,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """log p(target) (N,) and entropy (N,) in nats, of logits head(hidden (N, E)).

    More than `at_once` positions are taken in parts, whose logits are made again for the gradient instead of kept.
    """
    if len(targets) <= at_once:
        return _part(head, hidden, targets, entropy)
    parts = [
        checkpoint(_part, head, some, wanted, entropy, use_reentrant=False)
        for some, wanted in zip(hidden.split(at_once), targets.split(at_once), strict=True)
    ]
    logps = torch.cat([part[0] for part in parts])
    return logps, torch.cat([part[1] for part in parts]) if entropy else None


def _part(
    head: Callable[[torch.Tensor], torch.Tensor], hidden: torch.Tensor, targets: torch.Tensor, entropy: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    return _logps_and_entropy(head(hidden), targets, entropy)


def _logps_and_entropy(
    logits: torch.Tensor, targets: torch.Tensor, entropy: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    normalizer = logits.logsumexp(-1)
    logps = logits.gather(-1, targets[:, None])[:, 0] - normalizer
    if not entropy:
        return logps, None
    with torch.no_grad():
        spread = normalizer - (logits.softmax(-1) * logits).sum(-1)
    return logps, spread
