"""The terms of an evaluation: which changes of a tokenizer, a text or a mapping are other terms, and which are none."""

import pytest

from tasks.engine.models import load_tokenizer
from tasks.engine.terms import digest, tokenizer_hash


@pytest.fixture
def saved(tokenizer, tmp_path):
    """A function to the tokenizer as it is loaded again, after a change."""

    def made(change=lambda one: None):
        tokenizer.save_pretrained(tmp_path)
        loaded = load_tokenizer(tmp_path)
        change(loaded)
        return loaded

    return made


def test_a_tokenizer_that_was_saved_and_loaded_again_is_the_same(tokenizer, saved, tmp_path):
    again = saved()
    again.save_pretrained(tmp_path / "twice")
    assert (
        tokenizer_hash(again)
        == tokenizer_hash(load_tokenizer(tmp_path / "twice"))
        == tokenizer_hash(tokenizer)
    )


def test_how_it_was_last_used_makes_no_difference(saved):
    def used(one):
        one(["w3 w4", "w5"], padding=True, truncation=True, max_length=1)

    assert tokenizer_hash(saved(used)) == tokenizer_hash(saved())


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.add_tokens(["w97"]),
        lambda one: one.add_special_tokens({"bos_token": "w5"}),
        lambda one: setattr(one, "eos_token", "w7"),
        lambda one: setattr(one, "pad_token", "w7"),
        lambda one: setattr(one, "chat_template", "{{ messages[0].content }}"),
    ],
)
def test_another_vocabulary_special_token_or_chat_template_is_another_tokenizer(change, saved):
    assert tokenizer_hash(saved(change)) != tokenizer_hash(saved())


def test_the_order_of_a_list_counts_and_that_of_a_mapping_does_not():
    rows = [{"id": "1", "summary": "가"}, {"id": "2", "summary": None}]
    assert digest(rows) == digest([dict(reversed(row.items())) for row in rows])
    assert digest(rows) != digest(rows[::-1])
    assert digest(rows) != digest([rows[0], rows[1] | {"summary": "나"}])
    assert len(digest(rows)) == 64
