"""A small causal model from nothing: a BPE tokenizer and a Llama-shaped model, trained on unlabelled documents."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from math import isfinite

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from tasks.engine.journal import Journal
from tasks.refusal import Refusal
from tasks.settings import ScratchBase

PAD, EOS = "<pad>", "</s>"
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def tokenizer_of(texts: list[str], vocabulary: int) -> PreTrainedTokenizerBase:
    """A BPE tokenizer of the texts: the space belongs to the word behind it, digits and punctuation stand alone.

    A name or an hour then has the same pieces wherever it stands, so that copying it is one step. What no text held
    is spelled in bytes, so decoding gives back every text (but for spaces at the edges of a line).
    """
    bpe = Tokenizer(BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split("\n", "isolated"),
            pre_tokenizers.Metaspace(prepend_scheme="always"),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Punctuation(),
        ]
    )
    bpe.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary - len(BYTES), special_tokens=[PAD, EOS], show_progress=False
        ),
    )
    written = json.loads(bpe.to_str())
    pieces = written["model"]["vocab"]
    written["model"] |= {
        "vocab": pieces | {byte: len(pieces) + i for i, byte in enumerate(BYTES)},
        "byte_fallback": True,
    }
    bpe = Tokenizer.from_str(json.dumps(written))
    bpe.decoder = decoders.Sequence(
        [
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Replace("▁\n", "\n"),
            decoders.Replace("\n▁", "\n"),
            decoders.Replace("▁", " "),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return PreTrainedTokenizerFast(tokenizer_object=bpe, pad_token=PAD, eos_token=EOS)


def model_of(source: ScratchBase, tokenizer: PreTrainedTokenizerBase) -> LlamaForCausalLM:
    """An untrained Llama of the given shape; input and output embeddings are tied."""
    if source.width % source.heads or (source.width // source.heads) % 2:
        raise Refusal(
            "params.yaml: base.source",
            f"width {source.width} over {source.heads} heads is no even whole number",
            "choose a width that is a multiple of 2 x heads",
        )
    torch.manual_seed(source.seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=source.width,
            intermediate_size=2 * source.width,
            num_hidden_layers=source.layers,
            num_attention_heads=source.heads,
            num_key_value_heads=source.heads,
            max_position_embeddings=source.context,
            initializer_range=source.initializer_range,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def pretrain(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    documents: list[str],
    source: ScratchBase,
    journal: Journal,
    device: torch.device,
) -> float:
    """The mean next-token loss of the last tenth of the steps, in nats a token; the model is trained in place.

    A row is a document and, behind an empty line, `echoed_lines` of its lines again, in random order: copying from
    the document is what a tiny model learns last, and no label is needed to practise it.
    """
    order = np.random.default_rng(source.seed)
    ids = tokenizer([echoed(document, source.echoed_lines, order) for document in documents])["input_ids"]
    rows = [row[: source.window - 1] + [tokenizer.eos_token_id] for row in ids]
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=source.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    model.to(device).train()
    losses: list[float] = []
    batches = _batches(rows, source.batch_size, order)
    for step in range(1, source.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = source.learning_rate * _schedule(step, source.steps)
        loss = _next_token_loss(model, next(batches), tokenizer.pad_token_id, device)
        if not isfinite(loss.item()):
            cure = "lower base.source.learning_rate"
            raise Refusal("base", f"at step {step} its loss is {loss.item()}", cure)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if step % 10 == 0 or step == source.steps:
            journal.step(step, source.steps, loss=sum(losses[-10:]) / len(losses[-10:]))
    tail = losses[-max(1, source.steps // 10) :]
    return sum(tail) / len(tail)


def echoed(document: str, count: int, order: np.random.Generator) -> str:
    """The document, and behind an empty line `count` of its lines in random order."""
    lines = document.split("\n")
    again = [lines[i] for i in order.permutation(len(lines))[:count]]
    return "\n\n".join([document, "\n".join(again)]) if again else document


def _batches(rows: list[list[int]], size: int, order: np.random.Generator) -> Iterator[list[list[int]]]:
    """Endless batches of rows of like length: of eight batches drawn at once, sorted by length, in random order."""
    while True:
        drawn = sorted((rows[i] for i in order.integers(len(rows), size=8 * size)), key=len)
        for start in order.permutation(8) * size:
            yield drawn[start : start + size]


def _schedule(step: int, steps: int) -> float:
    """Linear warm-up over the first twentieth, then linear decay to zero."""
    warmup = max(1, steps // 20)
    return step / warmup if step <= warmup else max(0.0, (steps - step) / max(1, steps - warmup))


def _next_token_loss(
    model: LlamaForCausalLM, batch: list[list[int]], pad: int, device: torch.device
) -> torch.Tensor:
    longest = max(map(len, batch))
    input_ids = torch.tensor([row + [pad] * (longest - len(row)) for row in batch], device=device)
    labels = torch.tensor([row + [-100] * (longest - len(row)) for row in batch], device=device)
    return model(input_ids=input_ids, attention_mask=(labels != -100).long(), labels=labels).loss


def short_hash(document: str) -> str:
    """The first 12 hex digits of the document's sha256, to say what a model was pretrained on without showing it."""
    return hashlib.sha256(document.encode()).hexdigest()[:12]
