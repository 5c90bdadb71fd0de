"""Stage taught: summaries and judgings as rows of a prompt and an answer, none of what judges are measured by."""

import pyarrow.parquet as pq
import pytest

from tasks import taught as stage
from tasks.corpus import points
from tasks.refusal import Refusal


@pytest.fixture
def run(own):
    """Runs the stage with these changes of the block, and gives what it tells and its rows."""

    def made(**changed):
        walk = own.entry("dpo").optimisation.model_dump()
        own.change("branches.taught", m1={"method": "supervised", "optimisation": walk})
        own.change("iterate", **changed)
        told = own.run("taught --family taught --branch m1")
        return told, pq.read_table("data/taught/m1.parquet").to_pylist()

    return made


def quoted(text):
    """As it stands in a prompt."""
    return " ".join(points.quoted(text, ["</s>", "<s>", "<pad>", "<unk>"]).split())


def judged():
    return {(row["id"], row["completion"]): row for row in pq.read_table("data/judged.parquet").to_pylist()}


def test_rows_are_summaries_and_judgings_as_many_as_asked_for(run):
    told, rows = run(taught={"summaries": 7, "judgings": 11})
    assert [row["kind"] for row in rows] == ["summary"] * 7 + ["judging"] * 11
    assert (told["rows_summary"], told["rows_judging"]) == (7, 11)
    given = {row["id"]: row["summary"] for row in pq.read_table("data/prepared/train.parquet").to_pylist()}
    assert all(given[row["id"]] == row["completion"] for row in rows[:7])


def test_no_document_that_judges_are_measured_by_is_judged(run):
    _, rows = run(taught={"summaries": 0, "judgings": 10_000})
    held = {row["id"] for path in stage.HELD for row in pq.read_table(path).to_pylist()}
    assert rows
    assert held
    assert not held & {row["id"] for row in rows}
    every = {row["id"] for row in pq.read_table("data/judged.parquet").to_pylist()}
    assert {row["id"] for row in rows} == every - held


def test_a_better_sample_has_no_fewer_points_and_all_points_are_given(run):
    _, rows = run(taught={"summaries": 0, "judgings": 10_000}, rubric="short", language="ko")
    found = []
    samples = judged()
    for row in rows:
        (text,) = [
            text
            for name, text in samples
            if name == row["id"] and f"\n요약: {quoted(text)}\n" in row["prompt"]
        ]
        found.append((samples[row["id"], text]["score"], points.read(row["completion"])))
    found.sort()
    scores = [number for _, number in found]
    assert scores == sorted(scores)
    assert set(scores) <= {0.0, 1.0, 2.0, 3.0, 4.0, 5.0}
    assert len(set(scores)) > 3


def test_the_exact_judges_parts_are_the_points(run, own):
    own.change("judge", kind="exact")
    own.run("judge")
    told, rows = run(taught={"summaries": 0, "judgings": 30}, rubric="short", language="ko")
    samples = judged()
    for row in rows:
        (part,) = [
            each
            for (name, text), each in samples.items()
            if name == row["id"] and f"\n요약: {quoted(text)}\n" in row["prompt"]
        ]
        assert row["completion"] == points.written(points.of_verdict(part), "ko", "short")
    given = [points.read(row["completion"]) for row in rows]
    assert told["mean_points"] == pytest.approx(sum(given) / 30, abs=1e-6)
    assert (told["teacher"], told["teacher_is_judge"]) == ("exact", True)


def test_a_rubric_that_does_not_fit_the_model_is_refused(run):
    with pytest.raises(
        Refusal, match=r"judging needs \d+ tokens, .* has 512 positions; set iterate.rubric: short"
    ):
        run(taught={"summaries": 0, "judgings": 3}, rubric="full")
