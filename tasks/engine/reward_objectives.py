"""What a reward model minimises over pairs: Bradley-Terry's loss with centring, and a contrastive one beside it.

Differs from Wang et al. 2024 (arXiv 2401.06080, section 3.1): the ranking is of a pass without dropout, as everywhere
here, and the contrast of two passes more, with dropout on the embeddings, as many families have no other place for it.

Legend of shapes: R rows, E components, P pairs, K prototypes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import dropout, logsigmoid, normalize

from tasks.engine import contrast
from tasks.engine.fitting import Given, Losses
from tasks.engine.groups import Group
from tasks.engine.scoring import Scorer
from tasks.sections.objectives import Contrast, Simcse, Swav

PROTOTYPES = "prototypes"


class BradleyTerry(Given):
    """One loss a pair: -log sigmoid(r_chosen - r_rejected) + center * (r_chosen + r_rejected)^2."""

    def __init__(self, center: float):
        self._center = center

    def items(self, group: Group) -> int:
        return 1

    def losses(self, scorer: Scorer, pack: Sequence[Group]) -> Losses:
        chosen, rejected = scorer.rewards(pack).unflatten(0, (-1, 2)).unbind(1)
        margin = chosen - rejected
        losses = self._center * (chosen + rejected) ** 2 - logsigmoid(margin)
        numbers = {"accuracy": (margin > 0).float(), "margin": margin}
        return Losses(losses, {name: values.detach() for name, values in numbers.items()})


class Contrastive(BradleyTerry):
    """The same, and `weight` times the contrast of the pair's two rows, told from the rows of their pack."""

    def __init__(self, center: float, told: Contrast):
        super().__init__(center)
        self._told = told

    def losses(self, scorer: Scorer, pack: Sequence[Group]) -> Losses:
        ranked = super().losses(scorer, pack)
        first_RE, second_RE = (self._rows(scorer, pack) for _ in range(2))
        contrast_P = self.contrast(first_RE, second_RE).unflatten(0, (2, -1)).mean(0)
        numbers = ranked.numbers | {"contrast": contrast_P.detach()}
        return Losses(ranked.items + self._told.weight * contrast_P, numbers)

    def contrast(self, first_RE: torch.Tensor, second_RE: torch.Tensor) -> torch.Tensor:
        """(R,), in nats."""
        return contrast.simcse(first_RE, second_RE, self._told.temperature)

    def _rows(self, scorer: Scorer, pack: Sequence[Group]) -> torch.Tensor:
        """(R, E): of one pass, all pairs' first rows before their second ones."""
        noisy_UE = scorer.representations(pack, embed=lambda given, _: dropout(given, self._told.dropout))
        chosen_PE, rejected_PE = noisy_UE.unflatten(0, (-1, 2)).unbind(1)
        if self._told.of == "differences":
            return contrast.both_ways(chosen_PE, rejected_PE)
        return torch.cat([chosen_PE, rejected_PE])


class Prototypical(Contrastive):
    """SwAV: the prototypes are learned here and kept with every checkpoint, and are no part of the model."""

    def __init__(self, center: float, told: Swav, seed: int):
        super().__init__(center, told)
        self._swav, self._seed = told, seed
        self.prototypes_KE = torch.empty(0)

    def begun(self, scorer: Scorer) -> None:
        width = scorer.bare.config.get_text_config().hidden_size
        drawn = torch.Generator().manual_seed(self._seed)
        self._take(torch.randn(self._swav.prototypes, width, generator=drawn).to(scorer.model.device))

    def contrast(self, first_RE: torch.Tensor, second_RE: torch.Tensor) -> torch.Tensor:
        sharpness = self._swav.sharpness
        return contrast.swav(first_RE, second_RE, self.prototypes_KE, self._swav.temperature, sharpness)

    def stepped(self, scorer: Scorer, step: int) -> None:
        found = self.prototypes_KE.grad
        if found is not None:
            self._take(self.prototypes_KE.detach() - self._swav.rate * found)

    def state(self) -> dict[str, torch.Tensor]:
        return {PROTOTYPES: self.prototypes_KE.detach()}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        # as they were: unit vectors made unit vectors again may differ in the last bit
        self.prototypes_KE = state[PROTOTYPES].to(self.prototypes_KE.device).clone().requires_grad_()

    def _take(self, prototypes_KE: torch.Tensor) -> None:
        self.prototypes_KE = normalize(prototypes_KE, dim=1).requires_grad_()


def contrastive(center: float, told: Simcse | Swav, seed: int) -> Contrastive:
    """The objective that the block says."""
    return Prototypical(center, told, seed) if isinstance(told, Swav) else Contrastive(center, told)
