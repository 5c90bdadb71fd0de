"""One way from a document to ids, whatever the tokenizer adds of its own."""

import pyarrow.parquet as pq
import pytest
from tokenizers.processors import TemplateProcessing

from tasks import sft
from tasks.engine import models
from tasks.engine.families import online, pairs
from tasks.engine.text import decode, encode_completion, encode_prompt, render, render_chat
from tasks.refusal import Refusal
from tasks.settings import Text

TEXT = Text(template="{document}\n요약: ", instruction="요약해 줘: {document}", max_completion_tokens=8)
CHAT = (
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
SUMMARY = "오전 9시에 만나기로 했다. 회비는 1,200원이다."


@pytest.fixture
def plain(here):
    return models.load_tokenizer(models.SFT)


@pytest.fixture
def with_bos(plain):
    """A tokenizer that opens every text with BOS, as Llama's does."""
    plain.add_special_tokens({"bos_token": "<s>"})
    special = [("<s>", plain.bos_token_id)]
    plain.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=special)
    return plain


@pytest.fixture
def with_chat(with_bos):
    with_bos.chat_template = CHAT
    return with_bos


def test_without_a_chat_template_the_prompt_is_the_template(plain):
    assert render(plain, "{document} 글", TEXT) == "{document} 글\n요약: "


def test_with_a_chat_template_the_prompt_is_the_instruction_as_the_users_turn(with_chat):
    assert render(with_chat, "글", TEXT) == "<s>[user]요약해 줘: 글</s>[assistant]"


def test_a_chat_prompt_has_the_one_bos_that_its_template_wrote(with_chat):
    ids = encode_prompt(with_chat, render(with_chat, "글", TEXT))
    assert ids[0] == with_chat.bos_token_id
    assert ids.count(with_chat.bos_token_id) == 1
    assert ids[-1] != with_chat.eos_token_id


def test_a_plain_prompt_has_the_one_bos_that_its_tokenizer_adds(with_bos):
    ids = encode_prompt(with_bos, "글")
    assert ids[0] == with_bos.bos_token_id
    assert ids.count(with_bos.bos_token_id) == 1


def test_a_template_that_writes_a_second_bos_is_refused(with_bos):
    with pytest.raises(Refusal, match=r"two BOS tokens; take BOS out of text.template"):
        encode_prompt(with_bos, "<s>글")


def test_a_prompt_is_not_closed_where_the_tokenizer_closes_every_text(plain):
    open_ids = encode_prompt(plain, "글")
    special = [("</s>", plain.eos_token_id)]
    plain.backend_tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=special)
    assert plain("글")["input_ids"][-1] == plain.eos_token_id
    assert encode_prompt(plain, "글") == open_ids


def test_messages_need_a_chat_template(plain):
    with pytest.raises(Refusal, match="has no chat template; give prompts as text, or use a chat model"):
        render_chat(plain, [{"role": "user", "content": "글"}])


@pytest.mark.parametrize("kind", ["plain", "with_bos", "with_chat"])
def test_a_completion_ends_with_one_eos_and_brings_no_bos(kind, request):
    tokenizer = request.getfixturevalue(kind)
    ids = encode_completion(tokenizer, SUMMARY)
    assert ids[-1] == tokenizer.eos_token_id
    assert ids.count(tokenizer.eos_token_id) == 1
    assert tokenizer.bos_token_id is None or tokenizer.bos_token_id not in ids
    assert decode(tokenizer, ids) == SUMMARY


def test_a_special_token_that_a_summary_spells_is_its_letters(plain):
    ids = encode_completion(plain, "닫는 표 </s>와 <pad>가 있다")
    assert ids.index(plain.eos_token_id) == len(ids) - 1
    assert plain.pad_token_id not in ids
    assert decode(plain, ids) == "닫는 표 </s>와 <pad>가 있다"


def test_an_empty_completion_is_eos_alone(plain):
    assert encode_completion(plain, "") == [plain.eos_token_id]


def test_a_document_has_the_same_prompt_ids_in_every_stage(here, plain, scratch):
    text = here.parameters.text
    documents = {row["id"]: row for row in pq.read_table("data/prepared/train.parquet").to_pylist()}
    rows = pq.read_table("data/pairs/a.parquet").to_pylist()
    sampled = [encode_prompt(plain, render(plain, documents[row["id"]]["document"], text)) for row in rows]

    by_id = dict(zip(documents, sft.encoded(plain, "train", text), strict=True))
    stock = here.trainer(here.entry("rloo", engine="trl"), scratch)
    rolled, _, _ = stock._tokenize_prompts(stock.train_dataset["prompt"])

    assert [list(by_id[row["id"]].prompt) for row in rows] == sampled
    assert [list(group.prompt) for group in pairs.groups(plain, rows)] == sampled
    assert [list(group.prompt) for group in online.groups(plain, rows)] == sampled == rolled
