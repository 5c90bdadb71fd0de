"""Stage evaluate: the measures of texts, their signatures, and BERTScore where params.yaml asks for it."""

import json
import math
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from transformers import BertConfig, BertModel

from tasks.engine import models
from tasks.measures.evaluations import NUMBERS
from tasks.measures.korean.signatures import signatures
from tasks.refusal import Refusal

MODELS = ["sft", "dpo-0", "rloo-0"]


def summary(model):
    return json.loads(Path(f"reports/evaluation/{model}/summary.json").read_text(encoding="utf-8"))


def rows(model):
    return pq.read_table(f"reports/evaluation/{model}/predictions.parquet").to_pylist()


@pytest.mark.parametrize("model", MODELS)
def test_every_measure_of_a_text_has_a_finite_value_and_a_signature(model, here):
    assert summary(model)["signatures"] == signatures()
    for row in rows(model):
        assert all(math.isfinite(row[name]) for name in signatures())
    assert signatures().keys() <= set(NUMBERS)


def test_the_baselines_have_every_measure(here):
    found = summary("sft")["baselines"]
    assert {"reference", "lead1", "random"} <= found.keys()
    assert all(signatures().keys() <= scores.keys() for scores in found.values())
    assert found["reference"]["chrf"] == found["reference"]["rougeL_jamo"] == 1.0


def plant_encoder():
    """A BERT of random weights over the project's own tokenizer, at own.encoder."""
    tokenizer = models.load_tokenizer(models.SFT)
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    made = BertModel(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=128, **size))
    made.save_pretrained("models/own/encoder")
    tokenizer.save_pretrained("models/own/encoder")


def test_bertscore_is_a_column_with_baselines_and_a_signature(own):
    plant_encoder()
    own.change("evaluate", bertscore={"source": {"kind": "own"}, "layer": 2})
    metrics = own.run("evaluate --model sft")
    scores = [row["bertscore"] for row in rows("sft")]
    assert all(0 <= score <= 1 for score in scores)
    assert 0 < metrics["greedy_bertscore"] < 1
    assert summary("sft")["signatures"]["bertscore"].endswith("|layer:2|idf:no|rescale:no|norm:nfc")
    baselines = summary("sft")["baselines"]
    assert baselines["reference"]["bertscore"] == pytest.approx(1.0, abs=1e-5)
    assert baselines["random"]["bertscore"] < 1
    with pytest.raises(Refusal, match=r"signatures is \{'bertscore': None\}, that of sft is"):
        own.run("compare")  # the branches were evaluated without


def test_an_encoder_that_is_not_there_is_refused_before_anything_is_decoded(own):
    before = Path("reports/evaluation/sft/summary.json").read_bytes()
    own.change("evaluate", bertscore={"source": {"kind": "own"}, "layer": 2})
    with pytest.raises(Refusal, match="models/own/encoder: there is no such model directory"):
        own.run("evaluate --model sft")
    assert Path("reports/evaluation/sft/summary.json").read_bytes() == before
