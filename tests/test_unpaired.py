"""Stage unpaired: rated summaries of the pairs or of the user, each row kept, counted or refused with its place."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tasks import methods
from tasks.corpus.preferences import own_ratings
from tasks.engine.models import file_sha256
from tasks.refusal import Refusal


@pytest.fixture
def run(own):
    def stage(ratings="own", rows=()):
        walk = own.entry("dpo").optimisation.model_dump()
        weights = {"beta": 0.1, "desirable_weight": 1.0, "undesirable_weight": 1.0}
        entry = methods.load("kto").Config.model_validate(
            {"method": "kto", "optimisation": walk, "ratings": ratings, **weights}
        )
        own.change("branches.unpaired", thumbs=entry.model_dump())
        Path("data/own/ratings").mkdir(parents=True, exist_ok=True)
        lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
        Path("data/own/ratings/rated.jsonl").write_text("\n".join(lines), encoding="utf-8")
        return own.run("unpaired --family unpaired --branch thumbs")

    return stage


def rows():
    return pq.read_table("data/unpaired/thumbs.parquet").to_pylist()


def rated(prompt, completion, label):
    return {"prompt": prompt, "completion": completion, "label": label}


def test_each_side_of_a_pair_is_a_rated_row(run):
    told, pairs = run("pairs"), pq.read_table("data/pairs/a.parquet").to_pylist()
    assert told["pairs_sha256"] == file_sha256(Path("data/pairs/a.parquet"))
    assert told["data_sha256"] == file_sha256(Path("data/unpaired/thumbs.parquet"))
    assert told["rows_good"] == told["rows_bad"] == len(pairs)
    assert {(row["prompt"], row["completion"]) for row in rows() if row["desirable"]} == {
        (pair["prompt"], pair["chosen"]) for pair in pairs
    }
    assert {(row["prompt"], row["completion"]) for row in rows() if not row["desirable"]} == {
        (pair["prompt"], pair["rejected"]) for pair in pairs
    }


def test_a_users_own_rows_need_no_pairs(run):
    told = run(rows=[rated("글", "좋은 요약", True), rated("글", "나쁜 요약", 0), rated("다른 글", "", True)])
    assert (told["rows"], told["rows_good"], told["rows_bad"], told["prompts"]) == (2, 1, 1, 1)
    assert told["dropped_empty"] == 1
    assert "pairs_sha256" not in told
    assert [row["desirable"] for row in rows()] == [True, False]


@pytest.mark.parametrize("label", ["up", None, 1.0, 2, "true"])
def test_a_label_that_is_none_is_refused_with_its_place(label, run):
    with pytest.raises(Refusal, match=r"rated.jsonl:2: label: is .*; write true for a good summary"):
        run(rows=[rated("글", "요약", True), rated("글", "다른 요약", label)])


def test_one_summary_with_both_labels_is_refused(run):
    with pytest.raises(Refusal, match=r"rated.jsonl:2: calls the summary of rated.jsonl:1 the other way"):
        run(rows=[rated("글", "요약", True), rated("글", "요약", False)])


def test_a_row_that_stands_twice_counts_once(run):
    told = run(rows=[rated("글", "요약", True), rated("글", "요약", True), rated("글", "말", False)])
    assert (told["rows"], told["dropped_twice"]) == (2, 1)


def test_rows_of_one_kind_are_refused(run):
    with pytest.raises(Refusal, match="all of its 1 rated summaries are good; give rows of both kinds"):
        run(rows=[rated("글", "요약", True)])


def test_no_rows_are_refused(run):
    with pytest.raises(Refusal, match="holds no usable rated row"):
        run(rows=[rated("", "요약", True)])


def test_a_row_that_does_not_fit_is_refused_with_its_place(run):
    with pytest.raises(Refusal, match=r"own.ratings: rated.jsonl:2: needs \d+ tokens"):
        run(rows=[rated("글", "요약", True), rated("글" * 2000, "말", False)])


def test_a_row_whose_prompt_holds_a_test_document_is_refused_with_its_place(run):
    document = pq.read_table("data/prepared/test.parquet").column("document")[0].as_py()
    with pytest.raises(Refusal, match=r"own.ratings: rated.jsonl:2: .*held-out document .*of 1 of 2 rows"):
        run(rows=[rated("글", "요약", True), rated(f"요약해: {document}", "말", False)])


def test_decompositions_of_one_text_are_one_row(tmp_path):
    import unicodedata

    file = tmp_path / "rated.jsonl"
    lines = [rated(unicodedata.normalize(form, "글"), "요약", True) for form in ("NFC", "NFD")]
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    found, dropped = own_ratings(file, lambda _: "")
    assert (len(found), dropped["twice"]) == (1, 1)
