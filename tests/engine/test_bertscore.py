"""BERTScore by a tiny encoder of random weights: the paper's equations, one text at a time."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from tasks.engine import bertscore
from tasks.refusal import Refusal
from tasks.settings import Compute

COMPUTE = Compute(threads=1, trunk_threads=1, tokens_at_once=512, device="cpu", dtype="float32")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "민수가", "지수가", "책을", "표를", "샀다", "팔았다"]
PREDICTIONS = ["민수가 책을 샀다", "지수가 팔았다", "표를", "민수가 민수가 책을 샀다"]
REFERENCES = ["지수가 책을 샀다", "민수가 표를 샀다", "표를", "팔았다"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    ).save_pretrained(folder)
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(WORDS), max_position_embeddings=12, **size)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def encoder(directory):
    return bertscore.load(directory, 2, COMPUTE)


def by_hand(directory: Path, prediction: str, reference: str) -> float:
    """F of the paper's section 3, with loops and without batches; [CLS] and [SEP] are met but not counted."""
    model = BertModel.from_pretrained(directory).eval()
    sides = []
    for text in (prediction, reference):
        ids = [2, *(WORDS.index(word) for word in text.split()), 3]
        with torch.no_grad():
            sides.append(model(torch.tensor([ids]), output_hidden_states=True).hidden_states[2][0])
    means = []
    for left, right in (sides, sides[::-1]):
        best = [max(float(torch.cosine_similarity(x, y, dim=0)) for y in right) for x in left[1:-1]]
        means.append(sum(best) / len(best))
    return 2 * means[0] * means[1] / sum(means)


def test_f1_by_hand(directory, encoder):
    found = bertscore.f1(encoder, PREDICTIONS, REFERENCES)
    expected = [by_hand(directory, *pair) for pair in zip(PREDICTIONS, REFERENCES, strict=True)]
    assert found == pytest.approx(expected, abs=1e-5)
    assert len({round(value, 4) for value in found}) == len(found)


def test_identical_texts_score_1_and_no_text_0(encoder):
    assert bertscore.f1(encoder, PREDICTIONS, PREDICTIONS) == pytest.approx([1.0] * len(PREDICTIONS))
    assert bertscore.f1(encoder, ["", "책을", " "], ["책을", "", ""]) == [0.0, 0.0, 0.0]


def test_a_text_has_its_score_whatever_is_beside_it(encoder):
    together = bertscore.f1(encoder, PREDICTIONS, REFERENCES)
    alone = [bertscore.f1(encoder, [p], [r])[0] for p, r in zip(PREDICTIONS, REFERENCES, strict=True)]
    assert together == pytest.approx(alone, abs=1e-5)


def test_decomposed_hangul_is_the_same_text_and_a_long_one_is_cut(encoder):
    assert bertscore.f1(encoder, ["\u110e\u1162\u11a8을"], ["책을"]) == pytest.approx([1.0])
    long = "책을 " * 10
    assert bertscore.f1(encoder, [long + "샀다"], [long + "팔았다"]) == pytest.approx([1.0])


def test_the_signature_names_weights_and_layer(directory, encoder):
    assert encoder.signature.startswith("bertscore|model:sha256-")
    assert encoder.signature.endswith("|layer:2|idf:no|rescale:no|norm:nfc")
    assert bertscore.load(directory, 1, COMPUTE).signature != encoder.signature


def test_an_encoder_that_cannot_serve_is_refused(directory, tmp_path):
    with pytest.raises(Refusal, match=r"evaluate.bertscore.layer: is 4, and .* has 3"):
        bertscore.load(directory, 4, COMPUTE)
    with pytest.raises(Refusal, match="there is no such model directory"):
        bertscore.load(tmp_path / "missing", 1, COMPUTE)
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(Refusal, match=r"pytorch_model.bin: may be a pickle"):
        bertscore.load(tmp_path, 1, COMPUTE)
