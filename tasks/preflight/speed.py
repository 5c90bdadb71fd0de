"""How quick this machine is with this model: seconds a token to train, to score and to draw, tried for a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from tasks.preflight import miniature
from tasks.preflight.seen import Seen

WHOLE = (
    30_000_000  # parameters; up to here the model itself is timed, above it by its floating-point operations
)
PROMPTS, ANSWERS, PROMPT, ANSWER = 24, 2, 110, 28  # of the batch that is timed, in tokens
NEW = 12  # tokens drawn of each prompt
LARGE = 1024  # rows and columns of the matrices that are multiplied
USED = 0.4  # of a matrix product's rate, by a forward and backward pass of a large model


class Speed(NamedTuple):
    """Seconds a token, and how it was found."""

    train: float
    score: float
    draw: float
    how: str


def measured(seen: Seen) -> Speed:
    """By a random model of the same configuration, or by matrix products for a large one; of one thread.

    More threads are not tried: on a busy machine they wait for each other, and that waiting counts as work.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        parameters = miniature.parameters_of(seen.config)
        return _timed(seen) if parameters <= WHOLE else _computed(parameters)
    finally:
        torch.set_num_threads(before)


def by(threads: int, quick: Speed) -> Speed:
    """The same with so many threads, each further one adding half of the first's work."""
    gain = (1 + threads) / 2
    return quick._replace(train=quick.train / gain, score=quick.score / gain, draw=quick.draw / gain)


def _timed(seen: Seen) -> Speed:
    import torch

    from tasks.engine.groups import Group
    from tasks.engine.sampling import sample, seeded
    from tasks.engine.scoring import Scorer

    model = miniature.random_model(seen.config)
    most = model.config.get_text_config().max_position_embeddings
    vocabulary, prompt = model.config.get_text_config().vocab_size, min(PROMPT, most - ANSWER)
    generator = torch.Generator().manual_seed(0)

    def ids(count: int) -> tuple[int, ...]:
        return tuple(torch.randint(2, vocabulary, (count,), generator=generator).tolist())

    groups = [Group(ids(prompt), tuple(ids(ANSWER) for _ in range(ANSWERS))) for _ in range(PROMPTS)]
    scorer = Scorer(model, said=lambda text: None)
    tokens = sum(group.tokens for group in groups)

    def train() -> None:
        (-scorer.score(groups).sums().sum()).backward()
        model.zero_grad()

    def score() -> None:
        with torch.no_grad():
            scorer.score(groups).sums()

    def draw() -> None:
        how: dict[str, Any] = {"completions": 1, "max_new_tokens": NEW, "batch_size": PROMPTS}
        eos, prompts = vocabulary + 1, [group.prompt for group in groups]
        sample(scorer, prompts, eos=eos, generators=seeded(0, range(PROMPTS)), **how)

    trained, scored = _best(train) / tokens, _best(score) / tokens
    drawn = max(_best(draw) - scored * PROMPTS * prompt, 0) / (PROMPTS * NEW)
    return Speed(trained, scored, drawn, "a random model of this shape, timed")


def _computed(parameters: int) -> Speed:
    """6 operations a parameter and token trained on, 2 for a forward pass (Kaplan et al. 2020, arXiv 2001.08361)."""
    import torch

    one, other = (torch.randn(LARGE, LARGE) for _ in range(2))
    rate = USED * 2 * LARGE**3 / _best(lambda: one @ other)
    forward = 2 * parameters / rate
    return Speed(3 * forward, forward, 4 * forward, f"matrix products, {rate / 1e9:.0f} GFLOP/s assumed")


def _best(work: Callable[[], Any]) -> float:
    """Seconds of the quicker of two runs, after one that warms up; of its own, whatever else the machine does."""
    work()
    found = []
    for _ in range(2):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)
