"""Batches of prompts before a judge, and a pair that is decided early."""

from tasks.measures.contests import Contest, Outcome
from tasks.measures.rounds import never, played, scores

LEFT, RIGHT = ("a", "sft"), ("b", "sft")
SEEDS = 2


def contests(pair, prompts=6):
    return {
        (prompt, seed): Contest(f"{prompt}", f"{pair[0]} {seed}", "sft")
        for prompt in range(prompts)
        for seed in range(SEEDS)
    }


class Judge:
    """a always wins, b at seed 0 alone; on prompt 3 it abstains."""

    def __init__(self):
        self.batches = []

    def __call__(self, some):
        self.batches.append(some)
        return [
            Outcome(None, None)
            if contest.document == "3"
            else Outcome(1.0 if contest.left in ("a 0", "a 1", "b 0") else 0.0, False)
            for contest in some
        ]


def test_prompts_are_asked_in_their_order_and_in_batches():
    judge = Judge()
    found = played({LEFT: contests(LEFT), RIGHT: contests(RIGHT)}, [4, 0, 3, 5, 1], 2, judge, never)
    documents = [list(dict.fromkeys(contest.document for contest in batch)) for batch in judge.batches]
    assert documents == [["0", "4"], ["3", "5"], ["1"]]
    assert [len(batch) for batch in judge.batches] == [8, 8, 4]  # two pairs, two prompts, two seeds
    assert found.saved == 0
    assert found.outcomes[LEFT].keys() == {(prompt, seed) for prompt in (0, 1, 3, 4, 5) for seed in range(2)}
    assert found.outcomes[RIGHT][4, 0].share == 1.0
    assert found.outcomes[RIGHT][4, 1].share == 0.0


def test_a_decided_pair_is_judged_no_further_and_what_that_saves_is_told():
    """a has scores of 1 alone: decided after the first batch of 2. b's are 0: never."""
    judge, seen = Judge(), []

    def decided(some):
        seen.append(list(some))
        return sum(some) >= 2

    found = played({LEFT: contests(LEFT), RIGHT: contests(RIGHT)}, [0, 1, 2, 3, 4, 5], 2, judge, decided)
    assert seen == [[1, 1], [0, 0], [0, 0, 0], [0, 0, 0, 0, 0]]  # one score a prompt; none of prompt 3
    assert len(found.outcomes[LEFT]) == 4
    assert len(found.outcomes[RIGHT]) == 12
    assert found.saved == 8


def test_when_all_are_decided_nobody_is_asked():
    judge = Judge()
    assert played({LEFT: contests(LEFT)}, [0, 1, 2, 3, 4, 5], 1, judge, lambda some: True).saved == 10
    assert len(judge.batches) == 1


def test_a_score_is_the_mean_over_the_seeds_that_were_judged():
    """Shares 1 and 0.5 are scores 1 and 0, their mean 0.5; an abstention leaves its seed out; a loss is -1."""
    told = {
        (0, 0): Outcome(1.0, False),
        (0, 1): Outcome(0.5, True),
        (1, 0): Outcome(None, None),
        (1, 1): Outcome(0.0, False),
        (2, 0): Outcome(None, None),
    }
    assert scores(told, [1, 0, 2]) == [-1.0, 0.5]
