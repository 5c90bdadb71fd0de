"""Command summarize: one text file in, one summary out."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tasks import summarize
from tasks.engine import models
from tasks.engine.generation import generate
from tasks.engine.text import decode, encode_prompt, render
from tasks.refusal import Refusal


@pytest.fixture
def document(own):
    return pq.read_table("data/prepared/test.parquet").column("document")[0].as_py()


def written(content):
    Path("글.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    return "글.txt"


def ending(monkeypatch, ended):
    """The next summary ends by itself, or does not: an untrained model would decide that by chance."""
    real = summarize.sample

    def found(*given, **more):
        ((completion,),) = real(*given, **more)
        return [[type(completion)(completion.ids, ended)]]

    monkeypatch.setattr(summarize, "sample", found)


def test_it_prints_the_greedy_summary_in_one_line_and_nothing_else(own, document, capsys, monkeypatch):
    ending(monkeypatch, ended=True)
    summarize.run("models/sft", written(document))
    tokenizer = models.load_tokenizer(models.SFT)
    prompt = encode_prompt(tokenizer, render(tokenizer, document, own.parameters.text))
    policy, limit = (
        models.load_policy(models.SFT, own.parameters.compute),
        own.parameters.text.max_completion_tokens,
    )
    eos = tokenizer.eos_token_id
    (expected,) = generate(policy, [prompt], eos=eos, max_new_tokens=limit, batch_size=1, seed=None)
    said = capsys.readouterr()
    assert said.out == decode(tokenizer, expected.ids) + "\n"
    assert said.out.count("\n") == 1
    assert "gallim" not in said.err


def test_a_summary_that_was_cut_off_is_told_beside_it(own, document, capsys, monkeypatch):
    ending(monkeypatch, ended=False)
    summarize.run("models/dpo-0", written(document))
    said = capsys.readouterr()
    assert said.out.count("\n") == 1
    assert "gallim: cut off after 48 tokens (text.max_completion_tokens)" in said.err


def test_a_bom_and_windows_line_ends_change_nothing(own, document, capsys):
    summarize.run("models/sft", written(document))
    plain = capsys.readouterr().out
    summarize.run("models/sft", written(b"\xef\xbb\xbf" + document.replace("\n", "\r\n").encode()))
    assert capsys.readouterr().out == plain


@pytest.mark.parametrize("content", ["", " \n\t\n", "\x00\x01"])
def test_a_file_without_text_is_refused(content, own):
    with pytest.raises(Refusal, match=r"글.txt: holds no text; give a file with a document"):
        summarize.run("models/sft", written(content))


def test_a_file_that_is_no_text_is_refused(own):
    with pytest.raises(Refusal, match=r"글.txt: cannot be read as UTF-8 .*; give a UTF-8 text file"):
        summarize.run("models/sft", written(b"\x89PNG\r\n\x1a\n\xff\xfe"))


def test_a_file_that_is_not_there_is_refused(own):
    for name in ("none.txt", "data"):
        with pytest.raises(Refusal, match=f"{name}: cannot be read"):
            summarize.run("models/sft", name)


def test_a_text_that_does_not_fit_is_refused(own):
    with pytest.raises(Refusal, match=r"needs \d+ tokens, the model has 512 positions; give a shorter text"):
        summarize.run("models/sft", written("가나다라마바사 " * 200))


def test_a_model_that_is_not_there_is_refused(own, document):
    with pytest.raises(Refusal, match=r"models/none: has no manifest.json"):
        summarize.run("models/none", written(document))
