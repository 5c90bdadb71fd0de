"""Stage judge: every sample scored by what the judge knows of its document."""

import pyarrow.parquet as pq
import pytest

from tasks.measures.gold import judge_of
from tasks.refusal import Refusal


def rows(name):
    return pq.read_table(f"data/{name}.parquet").to_pylist()


def test_each_sample_is_scored_against_its_own_documents_reference(here):
    references = {row["id"]: row["summary"] for row in rows("prepared/train")}
    score, judged = judge_of("rouge"), rows("judged")
    assert [row["completion"] for row in judged] == [row["completion"] for row in rows("samples")]
    for row in judged[::20]:
        verdict = score(row["completion"], references[row["id"]])
        assert (
            row["score"]
            == verdict["total"]
            == pytest.approx((row["rouge1"] + row["rouge2"] + row["rougeL"]) / 3)
        )
        assert (row["gold"], row["judge"]) == (references[row["id"]], "rouge")


def test_its_numbers_are_those_of_the_scores(here):
    scores, told = [row["score"] for row in rows("judged")], here.metrics["judge"]
    mean = sum(scores) / len(scores)
    assert told["mean"] == pytest.approx(mean, abs=1e-6)
    assert told["deviation"] == pytest.approx(
        (sum((s - mean) ** 2 for s in scores) / len(scores)) ** 0.5, abs=1e-6
    )


def test_the_exact_judge_scores_by_facts(own):
    own.change("judge", kind="exact")
    own.run("judge")
    facts = {row["id"]: row["facts"] for row in rows("prepared/train")}
    judged = rows("judged")
    assert all(row["gold"] == facts[row["id"]] and row["judge"] == "exact" for row in judged)
    assert all(0 <= row["score"] <= 1 for row in judged)


def test_documents_without_facts_have_no_exact_judge(own):
    table = pq.read_table("data/prepared/train.parquet")
    bare = [row | {"facts": None} for row in table.to_pylist()]
    pq.write_table(table.from_pylist(bare, schema=table.schema), "data/prepared/train.parquet")
    own.change("judge", kind="exact")
    with pytest.raises(Refusal, match=r"has no facts for the exact judge; set judge.kind: rouge"):
        own.run("judge")
