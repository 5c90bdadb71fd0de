"""What requests may cost, before the first is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tasks.measures.endpoint import Endpoint, Request
from tasks.refusal import Refusal
from tasks.sections.asked import Price

BYTES_A_TOKEN = (
    3  # of UTF-8: one Hangul syllable, three Latin letters. Tokenizers of today need fewer tokens, not more
)
FRAME = 16  # tokens that a chat template puts around a message


class Estimate(NamedTuple):
    """Requests, tokens sent and replied, and what they cost in the currency of the prices."""

    requests: int
    sent: int
    replied: int
    cost: float

    def __str__(self) -> str:
        tokens = f"about {self.sent:,} tokens to send and {self.replied:,} to get"
        return f"{self.requests:,} requests, {tokens}, cost about {self.cost:.2f}"


def estimate(requests: Sequence[Request], price: Price) -> Estimate:
    """Of all these, each sent once; too high rather than too low."""
    sent = sum(
        FRAME + -(-len(message["content"].encode()) // BYTES_A_TOKEN)
        for request in requests
        for message in request["messages"]
    )
    replied = price.reply_tokens * len(requests)
    cost = (sent * price.input + replied * price.output) / 1e6
    return Estimate(len(requests), sent, replied, cost)


def affordable(requests: Sequence[Request], price: Price, at: Endpoint, cure: str) -> Estimate:
    """The estimate, or a Refusal where it lies above what may be spent."""
    found = estimate(requests, price)
    if found.cost > price.max_cost:
        raise Refusal(
            f"{at.place}.price.max_cost", f"is {price.max_cost:g}, and {found}", f"raise it, or {cure}"
        )
    return found
