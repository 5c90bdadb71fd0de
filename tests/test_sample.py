"""Stage sample: K summaries of each chosen training document, in order, from models/sft alone."""

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tasks.refusal import Refusal


def rows(name):
    return pq.read_table(f"data/{name}.parquet").to_pylist()


def test_each_training_document_has_its_samples_in_order(here):
    documents = [row["id"] for row in rows("prepared/train")]
    found = [(row["id"], row["sample"]) for row in rows("samples")]
    assert found == [(name, number) for name in documents for number in range(4)]


def test_its_counts_are_those_of_the_table(here):
    told, samples = here.metrics["sample"], rows("samples")
    assert told["rows"] == len(samples) == 160
    assert told["ended_share"] == pytest.approx(sum(row["ended"] for row in samples) / 160, abs=1e-6)
    distinct = {(row["id"], row["completion"]) for row in samples}
    assert told["distinct_share"] == pytest.approx(len(distinct) / 160, abs=1e-6)
    assert 160 < told["tokens"] <= 160 * here.parameters.text.max_completion_tokens
    assert told["tokens"] == sum(row["tokens"] for row in samples)
    limit = here.parameters.text.max_completion_tokens
    assert {row["tokens"] for row in samples if not row["ended"]} == {limit}


def test_no_special_token_is_left_in_a_summary(here):
    assert not any("</s>" in row["completion"] or "<pad>" in row["completion"] for row in rows("samples"))


def test_a_limit_takes_some_documents_whole(own):
    own.change("sample", documents=7, completions=3)
    own.run("sample")
    counts = Counter(row["id"] for row in rows("samples"))
    assert set(counts.values()) == {3}
    assert len(counts) == 7
    assert counts.keys() <= {row["id"] for row in rows("prepared/train")}


def test_a_models_sft_that_was_tampered_with_is_refused(own):
    path = Path("models/sft/config.json")
    path.write_text(path.read_text() + " ")
    with pytest.raises(Refusal, match=r"models/sft/config.json: its bytes are not those"):
        own.run("sample")
