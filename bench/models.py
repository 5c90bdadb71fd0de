"""The models of the benchmarks: Llama at random, small enough for a CPU, the same bytes for both sides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedTokenizerFast,
)

HIDDEN, LAYERS, INTERMEDIATE, HEADS, VOCABULARY, CONTEXT = 256, 6, 688, 8, 4096, 4096
PAD, EOS, UNKNOWN, FIRST_WORD = 0, 1, 2, 3
ENDING = 0.021  # chance of EOS at every token: of at most 64 tokens, about 32 on average
STEADY = 0.5  # what every embedding has in its first place, for EOS to be read from


class Models:
    """Reference, policy and reward model under a folder; each call reads the same bytes anew.

    ending: whether completions end by themselves, else practically all of them are as long as they may be.
    """

    def __init__(self, folder: Path, *, ending: bool = True):
        self.folder, self.tokenizer = folder, tokenizer()
        torch.manual_seed(0)
        reference = LlamaForCausalLM(_config())
        if ending:
            _let_end(reference)
        reference.save_pretrained(folder / "reference")
        with torch.no_grad():  # away from its reference, so that a lost KL or log-ratio is seen
            self._moved = {
                name: weight + 1e-3 * torch.randn_like(weight)
                for name, weight in reference.state_dict().items()
            }
        LlamaForSequenceClassification(_config(num_labels=1)).save_pretrained(folder / "reward")

    def reference(self) -> LlamaForCausalLM:
        """Where every training starts."""
        return LlamaForCausalLM.from_pretrained(self.folder / "reference", dtype=torch.float32)

    def move(self, model: Any) -> None:
        """Nothing; a reference has become the policy, a step away from it."""
        model.load_state_dict(self._moved)

    def policy(self) -> LlamaForCausalLM:
        model = self.reference()
        self.move(model)
        return model

    def reward(self) -> LlamaForSequenceClassification:
        folder = self.folder / "reward"
        return LlamaForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()


def _config(**more: Any) -> LlamaConfig:
    return LlamaConfig(
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        intermediate_size=INTERMEDIATE,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        vocab_size=VOCABULARY,
        max_position_embeddings=CONTEXT,
        pad_token_id=PAD,
        eos_token_id=EOS,
        bos_token_id=None,
        tie_word_embeddings=False,
        **more,
    )


@torch.no_grad()
def _let_end(model: LlamaForCausalLM) -> None:
    """Nothing; EOS now has the chance of ENDING on average, by weights alone, so that a saved model keeps it."""
    model.model.embed_tokens.weight[:, 0] = STEADY
    ids = torch.randint(FIRST_WORD, VOCABULARY, (4, 256))
    hidden = model.model(input_ids=ids).last_hidden_state
    others = model.lm_head(hidden)[..., FIRST_WORD:].logsumexp(-1)
    low, high = 0.0, 10.0
    for _ in range(40):
        weight = (low + high) / 2
        chance = torch.sigmoid(weight * hidden[..., 0] - others).mean()
        low, high = (weight, high) if chance < ENDING else (low, weight)
    model.lm_head.weight[EOS] = 0
    model.lm_head.weight[EOS, 0] = weight


def tokenizer() -> PreTrainedTokenizerFast:
    """One word an id; the text of ids becomes the same ids again."""
    words = {"<pad>": PAD, "</s>": EOS, "<unk>": UNKNOWN}
    words |= {f"w{number}": number for number in range(FIRST_WORD, VOCABULARY)}
    made = Tokenizer(WordLevel(words, unk_token="<unk>"))
    made.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_input_names=["input_ids", "attention_mask"],
    )


def text(ids: tuple[int, ...]) -> str:
    """These ids as text, with a space behind the last one, so that what follows stays a word of its own."""
    return "".join(f"w{number} " for number in ids)
