"""Rounds of iterated training: M_t's own answers, judged and paired; the chain of hashes; what stops a round."""

import json
import math
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tasks.corpus.duplicates import key
from tasks.engine import models, self_judge
from tasks.engine.self_judge import Judged
from tasks.refusal import Refusal

PAIRED = "m2", {"method": "dpo", "beta": 0.1, "after": "sft", "judge": "self"}
NEXT = "m3", {"method": "dpo", "beta": 0.1, "after": "m2", "judge": "self"}
POSITIVE = "good", {"method": "supervised", "after": "sft", "judge": "self"}
REWARDED = "dpo2", {"method": "dpo", "beta": 0.1, "after": "sft", "judge": "reward"}


class Loop:
    """The miniature with new documents, and a judge that gives what `score(document, summary)` says."""

    def __init__(self, own, monkeypatch):
        self.own, self.asked = own, []
        self.score = lambda document, summary: float(len(summary) % 5)
        own.change("prepare.source", unlabelled=30)
        own.run("prepare")
        own.change("iterate", documents=6, candidates=4, temperature=1.0, top_p=1.0, bar=0.5)
        monkeypatch.setattr(self_judge, "judged", self._judged)

    def _judged(self, scorer, tokenizer, texts, iterate, seed):
        self.asked.append(list(texts))
        scores = [self.score(*each) for each in texts]
        return Judged(scores, sum(score is not None for score in scores), scores.count(None), 0)

    def add(self, name, given):
        walk = self.own.entry("dpo").optimisation.model_dump()
        self.own.change("branches.iterated", **{name: given | {"optimisation": walk}})
        return name

    def collect(self, name):
        return self.own.run(f"collect --family iterated --branch {name}")

    def align(self, name):
        return self.own.run(f"align --family iterated --branch {name} --seed 0")

    def rows(self, name):
        return pq.read_table(f"data/iterated/{name}/0.parquet").to_pylist()


@pytest.fixture
def loop(own, monkeypatch):
    made = Loop(own, monkeypatch)
    preferred = {row["chosen"] for fold in ("a_holdout", "b_holdout") for row in pairs(fold)}
    made.own.preferred = preferred
    made.score = lambda document, summary: 5.0 if summary in preferred else float(len(summary) % 5)
    return made


def pairs(fold):
    return pq.read_table(f"data/pairs/{fold}.parquet").to_pylist()


def prepared(*splits):
    return {
        key(row["document"])
        for split in splits
        for row in pq.read_table(f"data/prepared/{split}.parquet").to_pylist()
    }


def test_a_judge_without_chance_gives_the_very_pairs_that_follow(loop):
    loop.collect(loop.add(*PAIRED))
    answers = {}
    for document, summary in loop.asked[-1]:
        answers.setdefault(document, []).append(summary)
    wanted = []
    for some in answers.values():
        scores = [loop.score("", text) for text in some]
        if len(some) > 1 and min(scores) < max(scores):
            wanted.append((some[scores.index(max(scores))], some[scores.index(min(scores))]))
    assert [(row["chosen"], row["rejected"]) for row in loop.rows("m2")] == wanted != []
    told = json.loads(Path("reports/iterated/m2.json").read_text())["seeds"]["0"]
    assert told["rows"] == len(wanted) <= 6
    assert told["answers"] == sum(map(len, answers.values()))


def test_no_evaluated_or_labelled_document_enters_a_round(loop):
    loop.collect(loop.add(*PAIRED))
    given = {key(document) for document, _ in loop.asked[-1]}
    assert len(given) == 6
    assert not given & prepared("train", "validation", "test")


def test_the_judge_is_measured_on_pairs_that_nothing_was_trained_on(loop):
    told = loop.collect(loop.add(*PAIRED))
    held = [*pairs("a_holdout"), *pairs("b_holdout")]
    assert [text for _, text in loop.asked[0]] == [
        row[side] for side in ("chosen", "rejected") for row in held
    ]
    found = json.loads(Path("reports/iterated/m2.json").read_text())["seeds"]["0"]["accuracy"]
    right = [loop.score("", row["chosen"]) - loop.score("", row["rejected"]) for row in held]
    assert found["accuracy"] == pytest.approx(
        sum((x > 0) + 0.5 * (x == 0) for x in right) / len(held), abs=1e-6
    )
    assert told["judge_0"] == "self"


def test_the_next_model_starts_from_this_one_which_is_its_reference(loop):
    loop.collect(loop.add(*PAIRED))
    second = loop.align("m2")
    assert second["start_sha256"] == second["reference_sha256"] == loop.own.metrics["sft"]["weights_sha256"]
    loop.collect(loop.add(*NEXT))
    third = loop.align("m3")
    assert (
        third["start_sha256"]
        == third["reference_sha256"]
        == second["weights_sha256"]
        != third["weights_sha256"]
    )
    assert loop.own.curve("align-m3-0")[0]["loss"] == pytest.approx(math.log(2), abs=1e-4)
    receipt = json.loads(Path("models/m3/0.json").read_text())
    assert receipt == {
        "round": 2,
        **{name: third[name] for name in ("start_sha256", "data_sha256", "weights_sha256")},
    }
    first, then = ({row["prompt"] for row in loop.rows(name)} for name in ("m2", "m3"))
    assert not first & then, "each round has documents of its own"


def test_a_rounds_rows_change_with_the_model_and_fit_no_other(loop):
    before = loop.collect(loop.add(*PAIRED))["data_sha256_0"]
    assert loop.collect("m2")["data_sha256_0"] == before
    compute = loop.own.parameters.compute
    policy, tokenizer = models.load_policy(models.SFT, compute), models.load_tokenizer(models.SFT)
    policy.lm_head.weight.data.mul_(1.0001)
    models.save(policy, tokenizer, models.SFT)
    with pytest.raises(Refusal, match=r"another model's answers.*dvc repro collect@m2"):
        loop.align("m2")
    assert loop.collect("m2")["data_sha256_0"] != before


def test_a_round_without_rows_leaves_the_model_as_it_is_and_says_so(loop):
    loop.score = lambda document, summary: 5.0 if summary in loop.own.preferred else 1.0
    told = loop.collect(loop.add(*PAIRED))
    if told["rows_0"]:  # a sample that equals a preferred one
        pytest.skip("the miniature drew a labelled summary")
    trained = loop.align("m2")
    assert trained["steps"] == trained["rows"] == 0
    assert trained["weights_sha256"] == trained["start_sha256"] == loop.own.metrics["sft"]["weights_sha256"]
    loop.own.run("evaluate --model m2-0")


def test_a_model_that_cannot_judge_is_stopped_or_replaced_as_declared(loop):
    loop.score = lambda document, summary: 3.0
    loop.own.change("iterate", bar=0.55)
    name = loop.add(*PAIRED)
    with pytest.raises(Refusal, match=r"models/sft: is no judge: it orders 50.0% .* more than 55.0%"):
        loop.collect(name)
    loop.own.change("iterate", below_bar="reward")
    told = loop.collect(name)
    assert told["judge_0"] == "reward"
    assert told["climbed_sha256"] == models.weights_hash(Path("models/reward-a"))
    assert {row["judge"] for row in loop.rows(name)} == {"reward"}


def test_a_seed_without_rows_among_others_is_still_ranked(loop):
    """One of two seeds learned nothing: the contract wants no examples of it, and the report says so."""
    loop.own.change("", seeds=[0, 1])
    for words in ("--family pairs --branch dpo", "--family online --branch rloo"):
        loop.own.run(f"align {words} --seed 1")
    name = loop.add("m2", PAIRED[1] | {"judge": "reward"})
    loop.collect(name)
    path = Path("data/iterated/m2/1.parquet")
    table = pq.read_table(path)
    pq.write_table(table.slice(0, 0), path)
    told = json.loads(Path("reports/metrics/collect-m2.json").read_text())
    told |= {"data_sha256_1": models.file_sha256(path), "rows_1": 0}
    Path("reports/metrics/collect-m2.json").write_text(json.dumps(told))
    for seed in (0, 1):
        loop.own.run(f"align --family iterated --branch m2 --seed {seed}")
    for model in ("sft", "dpo-0", "dpo-1", "rloo-0", "rloo-1", "m2-0", "m2-1"):
        loop.own.run(f"evaluate --model {model}")
    loop.own.run("compare")
    found = json.loads(Path("reports/comparison.json").read_text(encoding="utf-8"))
    assert found["contract"]["branches"]["m2"]["budget"]["examples"] > 0


def test_positives_of_a_model_that_cannot_judge_are_none(loop):
    loop.score = lambda document, summary: 3.0
    loop.own.change("iterate", bar=0.55, below_bar="reward")
    told = loop.collect(loop.add(*POSITIVE))
    assert (told["judge_0"], told["rows_0"]) == ("nobody", 0)
    trained = loop.align("good")
    assert trained["weights_sha256"] == trained["start_sha256"]


def test_the_reward_model_judges_without_being_measured(loop):
    told = loop.collect(loop.add(*REWARDED))
    assert loop.asked == []
    assert told["reward"] == "model"
    for row in loop.rows("dpo2"):
        assert row["score_chosen"] > row["score_rejected"]


def test_positives_alone_are_learned_as_summaries(loop):
    loop.score = lambda document, summary: 5.0
    loop.own.change("iterate", bar=0.5, positive=5.0)
    name = loop.add(*POSITIVE)
    loop.own.change("iterate", below_bar="reward")
    held = {row[side] for fold in ("a_holdout", "b_holdout") for row in pairs(fold) for side in ("rejected",)}
    loop.score = lambda document, summary: 0.0 if summary in held else 5.0
    loop.collect(name)
    assert len(loop.rows(name)) == len(loop.asked[-1])
    trained = loop.align(name)
    assert trained["weights_sha256"] != trained["start_sha256"]
    assert "best_logp_change_nats" in trained


def test_branches_of_a_loop_are_compared_like_any_other(loop):
    walk = loop.own.entry("dpo").optimisation.model_dump()
    loop.own.change("branches.taught", m1={"method": "supervised", "optimisation": walk})
    loop.own.run("taught --family taught --branch m1")
    loop.own.run("align --family taught --branch m1 --seed 0")
    loop.collect(loop.add("m2", PAIRED[1] | {"after": "m1"}))
    loop.align("m2")
    for model in ("m1-0", "m2-0"):
        loop.own.run(f"evaluate --model {model}")
    loop.own.run("compare")
    found = json.loads(Path("reports/comparison.json").read_text(encoding="utf-8"))
    assert {"m1", "m2"} <= {branch["name"] for branch in found["branches"]}
    assert found["rounds"]["m2"]["after"] == "m1"
    differences = "\n".join(found["contract"]["differences"])
    assert "m2 starts from models/m1-<seed>" in differences
    for name in ("comparison.html", "comparison.ko.md"):
        text = Path("reports", name).read_text(encoding="utf-8")
        assert ("Rounds" if name.endswith("html") else "회차") in text


def test_another_model_in_the_folder_is_not_taken_for_the_chains(loop):
    loop.collect(loop.add(*PAIRED))
    loop.align("m2")
    path = Path("models/m2/0.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"weights_sha256": "0" * 64}))
    with pytest.raises(Refusal, match=r"models/m2-0: is not the model that models/m2/0.json names"):
        loop.collect(loop.add(*NEXT))
