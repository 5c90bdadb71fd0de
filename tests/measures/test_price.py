"""What requests may cost, and how fast they may go."""

import pytest

from tasks.measures.endpoint import Endpoint
from tasks.measures.pace import Pace
from tasks.measures.price import FRAME, affordable, estimate
from tasks.refusal import Refusal
from tasks.sections.asked import Price

PRICE = Price(input=2.0, output=10.0, reply_tokens=100, max_cost=1.0)
AT = Endpoint(None, "params.yaml: duel.judges.grader", None)


def request(system, user):
    return {
        "model": "m",
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
    }


def test_the_estimate_by_hand():
    """7 Latin letters: 3 tokens; 4 Hangul syllables of 3 bytes: 4. With both frames 39 a request, 100 back."""
    found = estimate([request("abcdefg", "가나다라")] * 1000, PRICE)
    assert (found.requests, found.sent, found.replied) == (1000, 1000 * (7 + 2 * FRAME), 100_000)
    assert found.cost == pytest.approx((39_000 * 2 + 100_000 * 10) / 1e6)
    assert str(found) == "1,000 requests, about 39,000 tokens to send and 100,000 to get, cost about 1.08"


def test_what_costs_too_much_is_refused_before_it_is_asked():
    few, many = [request("abc", "가")] * 900, [request("abc", "가")] * 1000
    assert affordable(few, PRICE, AT, "ask less").cost < 1
    with pytest.raises(
        Refusal, match=r"grader.price.max_cost: is 1, and 1,000 requests, .* cost about 1.07; raise it"
    ):
        affordable(many, PRICE, AT, "ask less")


def test_a_server_of_ones_own_costs_nothing():
    free = Price(input=0.0, output=0.0, reply_tokens=100, max_cost=0.0)
    assert affordable([request("abc", "가")] * 1000, free, AT, "").cost == 0


def test_turns_lie_a_gap_apart_and_none_is_saved_up():
    now = [100.0]
    pace = Pace(30, clock=lambda: now[0])  # one in two seconds
    assert [pace.taken() for _ in range(3)] == [0, 2, 4]
    now[0] = 105.0
    assert pace.taken() == 1  # the fourth turn was at 106
    now[0] = 200.0
    assert [pace.taken() for _ in range(2)] == [0, 2]


def test_without_a_limit_nobody_waits():
    pace = Pace(None, clock=lambda: 1.0)
    assert [pace.taken() for _ in range(4)] == [0] * 4
    assert pace.turn()


def test_who_waits_when_all_is_over_gets_no_turn():
    pace = Pace(1, clock=lambda: 0.0)
    pace.taken()
    pace.stop()
    assert not pace.turn()
