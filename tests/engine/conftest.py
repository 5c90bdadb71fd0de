"""Tiny models of three families' shapes, ragged prompt groups, and their numbers from rows one by one."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    Gemma2Config,
    LlamaConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
)

from tasks.engine.groups import Group
from tasks.settings import Compute, Optimisation

PAD, EOS, VOCABULARY = 0, 1, 97
SIZE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "pad_token_id": PAD,
    "bos_token_id": None,
    "eos_token_id": EOS,
    "initializer_range": 0.25,  # so that a model heeds its prompt, and a leak is seen
}
SHAPES = {
    "llama": (LlamaConfig, {"num_hidden_layers": 2, "tie_word_embeddings": False}),
    "qwen2": (  # two layers see everything, two see seven tokens
        Qwen2Config,
        {"num_hidden_layers": 4, "use_sliding_window": True, "sliding_window": 7, "max_window_layers": 2},
    ),
    "gemma2": (  # every other layer sees six tokens
        Gemma2Config,
        {
            "num_hidden_layers": 4,
            "head_dim": 8,
            "query_pre_attn_scalar": 12,
            "sliding_window": 6,
            "attn_logit_softcapping": 5.0,
            "final_logit_softcapping": 10.0,
        },
    ),
}
PROMPTS = (17, 3, 26, 9)  # tokens: longer and shorter than the windows


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def build():
    """A function from a shape's name to a model in eval mode; a seed gives the same weights every time."""

    def built(shape, *, seed=0, reward=False, dtype=torch.float32, attention="eager", **changed):
        kind, given = SHAPES[shape]
        config = kind(**{**SIZE, **given, **changed})
        if reward:
            config.num_labels = 1
        maker = AutoModelForSequenceClassification if reward else AutoModelForCausalLM
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = maker.from_config(config, dtype=dtype, attn_implementation=attention)
        return model.eval()

    return built


@pytest.fixture(scope="session")
def adapted():
    """A function that gives a model adapters whose contribution is not zero."""

    def made(model, seed=0):
        config = LoraConfig(
            r=4, lora_alpha=4.0, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False
        )
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return get_peft_model(model, config).eval()

    return made


@pytest.fixture(scope="session")
def ragged():
    """A function from K to groups: prompts of PROMPTS tokens, completions of 1 to 9, EOS included."""

    def made(completions, *, seed=0, prompts=PROMPTS):
        generator = torch.Generator().manual_seed(seed)

        def ids(length):
            return tuple(torch.randint(2, VOCABULARY, (length,), generator=generator).tolist())

        def lengths():
            return torch.randint(0, 9, (completions,), generator=generator).tolist()

        return [Group(ids(prompt), tuple((*ids(n), EOS) for n in lengths())) for prompt in prompts]

    return made


@pytest.fixture(scope="session")
def one_by_one():
    """A function to the log-probabilities of every completion asked for: one row, no padding, the model's forward."""

    def scored(model, groups):
        found = []
        for group in groups:
            for completion in group.completions:
                logits = model(input_ids=torch.tensor([group.prompt + completion]), use_cache=False).logits
                logps = logits[0, -1 - len(completion) : -1].float().log_softmax(-1)
                found.append(logps.gather(-1, torch.tensor(completion)[:, None])[:, 0])
        return found

    return scored


@pytest.fixture
def said():
    """Every line that a scorer says."""
    return []


@pytest.fixture(scope="session")
def tokenizer():
    """Words w0 to w96, of which the first is padding and the second is EOS."""
    words = Tokenizer(WordLevel({f"w{n}": n for n in range(VOCABULARY)}, unk_token="w2"))
    words.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="w0", eos_token="w1", unk_token="w2")


@pytest.fixture(scope="session")
def walk():
    """A function to the settings of a training: plain gradient steps unless told otherwise."""

    def made(**changed):
        given = {
            "learning_rate": 1e-2,
            "schedule": "constant",
            "warmup_steps": 0,
            "weight_decay": 0.0,
            "max_grad_norm": 1e9,
            "engine": "gallim",
            "order": "random",
            "steps": 1,
            "batch_size": 4,
            "gradient_accumulation": 1,
            "gradient_checkpointing": False,
            "checkpoint_every": 100,
            "lora": None,
        }
        return Optimisation.model_validate(given | changed)

    return made


@pytest.fixture(scope="session")
def machine():
    """A function to the machine's side of the numbers: float32 on the CPU unless told otherwise."""

    def made(**changed):
        given = {
            "threads": 1,
            "trunk_threads": 1,
            "tokens_at_once": 4096,
            "device": "cpu",
            "dtype": "float32",
        }
        return Compute.model_validate(given | changed)

    return made
