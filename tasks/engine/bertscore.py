"""BERTScore: how well each token of one text is met by some token of the other, by contextual vectors.

Zhang et al. 2020 (arXiv 1904.09675), section 3, without idf weights and without rescaling: with x and y the vectors of
prediction and reference at one layer, each of length 1,

    P = mean over x of max over y of x . y      R = mean over y of max over x of x . y      F = 2 P R / (P + R)

As in the authors' bert-score 0.3.13, [CLS] and [SEP] may be what a token is met by, and have no part in the means.
Written here because that package fails on an empty text under transformers 5 (it asks the tokenizer for what is no
longer there) and cannot be told to leave pickled weights alone. A text without tokens scores 0.

Legend of shapes: T texts, N tokens of the longest, D dimensions.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from tasks.engine import models
from tasks.refusal import Refusal
from tasks.settings import Compute, HubModel

BATCH = 64  # texts of one forward pass; of speed alone, as padding is masked


class Encoder(NamedTuple):
    """A model of bidirectional attention, one of its layers, and the line that says which."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    layer: int
    longest: int  # tokens; what is longer is cut
    signature: str


class Vectors(NamedTuple):
    """Of one text the vectors [N, D] of length 1, and which of them are of its own tokens [N]."""

    vectors_ND: torch.Tensor
    own_N: torch.Tensor


def load(source: HubModel | Path, layer: int, compute: Compute) -> Encoder:
    """The encoder of a Hub revision or of a local directory; a Refusal where it cannot be had or lacks the layer."""
    directory = models.fetch(source) if isinstance(source, HubModel) else source
    model, tokenizer = models.load_encoder(directory, compute), _tokenizer(directory)
    layers = model.config.get_text_config().num_hidden_layers
    if layer > layers:
        raise Refusal(
            "params.yaml: evaluate.bertscore.layer",
            f"is {layer}, and {directory} has {layers}",
            "choose a lower one",
        )
    named = f"{source.id}@{source.revision[:8]}" if isinstance(source, HubModel) else _digest(directory)
    positions = model.config.get_text_config().max_position_embeddings
    unused = model.config.pad_token_id + 1 if model.config.model_type in _OFFSET else 0
    longest = min(positions - unused, tokenizer.model_max_length)
    signature = f"bertscore|model:{named}|layer:{layer}|idf:no|rescale:no|norm:nfc"
    return Encoder(model.eval(), tokenizer, layer, longest, signature)


_OFFSET = ("roberta", "xlm-roberta", "camembert")  # their positions begin behind the padding's id


def f1(encoder: Encoder, predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """F of each prediction against its reference, 0 to 1; each text is encoded once."""
    texts = list(dict.fromkeys(_composed(text) for text in (*predictions, *references)))
    known = dict(zip(texts, _encoded(encoder, texts), strict=True))
    return [
        _f1(known[_composed(prediction)], known[_composed(reference)])
        for prediction, reference in zip(predictions, references, strict=True)
    ]


def _f1(prediction: Vectors, reference: Vectors) -> float:
    if not (prediction.own_N.any() and reference.own_N.any()):
        return 0.0
    similar = prediction.vectors_ND @ reference.vectors_ND.T  # of every token with every other
    precision = float(similar.amax(dim=1)[prediction.own_N].mean())
    recall = float(similar.amax(dim=0)[reference.own_N].mean())
    total = precision + recall
    return min(1.0, 2 * precision * recall / total) if total > 0 else 0.0


def _encoded(encoder: Encoder, texts: Sequence[str]) -> list[Vectors]:
    """The vectors of every text, in float32 on the CPU; texts of like length share a forward pass."""
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    found: dict[int, Vectors] = {}
    for start in range(0, len(order), BATCH):
        places = order[start : start + BATCH]
        for place, vectors in zip(places, _batch(encoder, [texts[each] for each in places]), strict=True):
            found[place] = vectors
    return [found[place] for place in range(len(texts))]


@torch.no_grad()
def _batch(encoder: Encoder, texts: list[str]) -> list[Vectors]:
    asked: Any = encoder.tokenizer(
        texts,
        padding=True,
        truncation=True,
        max_length=encoder.longest,
        return_special_tokens_mask=True,
        return_tensors="pt",
    )
    special_TN = asked.pop("special_tokens_mask").bool()
    inputs = {name: values.to(encoder.model.device) for name, values in asked.items()}
    hidden = encoder.model(**inputs, output_hidden_states=True).hidden_states[encoder.layer]
    vectors_TND = torch.nn.functional.normalize(hidden.float().cpu(), dim=-1)
    held_TN = asked["attention_mask"].bool()
    return [
        Vectors(vectors_ND[held_N], ~special_N[held_N])
        for vectors_ND, held_N, special_N in zip(vectors_TND, held_TN, special_TN, strict=True)
    ]


def _tokenizer(directory: Path) -> PreTrainedTokenizerBase:
    try:
        return AutoTokenizer.from_pretrained(str(directory), trust_remote_code=False)
    except models.FAULTS as error:
        cause = " ".join(str(error).split())[:300]
        raise Refusal(
            str(directory), f"holds no tokenizer that loads ({cause})", "add tokenizer.json"
        ) from error


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _digest(directory: Path) -> str:
    """The name of a directory's weights: their own digest, as any directory may be called anything."""
    return f"sha256-{models.weights_hash(directory)[:12]}"
