"""A round's new documents: others each time, never one of validation or test, written ones only through the filters."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tasks.engine import new_documents
from tasks.refusal import Refusal
from tasks.sections.iterated import Iterate

EXAMPLES = {"examples": 2, "written_examples": 1, "temperature": 0.6, "top_p": 0.9, "tokens": 64}
FILTERS = {"characters": [10, 60], "similarity": 0.7, "keywords": ["그림"], "attempts": 3}
NEW = ["어제는 비가 와서 집에 있었다.", "내일 세 시에 부산역에서 만난다.", "회의는 다음 주 월요일로 미뤘다."]


@pytest.fixture
def iterate(own):
    """A function that gives the block with these changes."""

    def made(**changed):
        given = own.parameters.iterate.model_dump(mode="json") | {"documents": 3} | changed
        return Iterate.model_validate(given)

    return made


@pytest.fixture
def extra(own):
    """Eight documents without a summary."""
    own.change("prepare.source", unlabelled=8)
    own.run("prepare")


def texts(*splits):
    return {
        text
        for split in splits
        for text in pq.read_table(f"data/prepared/{split}.parquet", columns=["document"])[
            "document"
        ].to_pylist()
    }


def without(iterate, number):
    return new_documents.unlabelled(new_documents._read("unlabelled"), iterate, 1.0, number, "raise it")


def test_each_round_takes_other_documents_and_none_that_is_labelled(extra, iterate):
    rounds = [{one.text for one in without(iterate(), number)} for number in (1, 2)]
    assert [len(each) for each in rounds] == [3, 3]
    assert not rounds[0] & rounds[1]
    assert not (rounds[0] | rounds[1]) & texts("train", "validation", "test")
    assert rounds[0] | rounds[1] <= texts("unlabelled")
    assert without(iterate(), 1) == without(iterate(), 1)


def test_a_round_without_documents_is_refused_with_the_number_that_is_missing(extra, iterate):
    with pytest.raises(Refusal, match=r"round 3 needs documents 7 to 9, and there are 8"):
        without(iterate(), 3)


def test_own_documents_are_cleaned_and_those_that_prepare_has_are_left_out(own, iterate, notes):
    known = min(texts("test"), key=len)
    rows = [
        {"document": text}
        for text in (*NEW, NEW[0] + " ", known, known + "!", "", "A\u200bB 회의는 열 시다.")
    ]
    rows.append({"document": [{"speaker": "지호", "text": "내일 봐."}, {"speaker": "하나", "text": "그래."}]})
    folder = Path(own.parameters.own.unlabelled)
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    given = iterate(prompts={"kind": "own"}, documents=5)
    found = new_documents.documents(
        given, own.parameters.prepare, own.parameters.own, 1, own.parameters.compute, notes
    )
    assert {one.text for one in found} == {*NEW, "AB 회의는 열 시다.", "지호: 내일 봐.\n하나: 그래."}
    assert "'twice': 1" in notes.said[-1]
    assert "'empty': 1" in notes.said[-1]
    with pytest.raises(Refusal, match=r"there are 5 without a summary; put more into data/own/unlabelled"):
        new_documents.documents(
            given, own.parameters.prepare, own.parameters.own, 2, own.parameters.compute, notes
        )


def test_own_documents_that_are_not_there_are_asked_for(own, iterate, notes):
    given = iterate(prompts={"kind": "own"})
    Path(own.parameters.own.unlabelled).mkdir(parents=True)
    with pytest.raises(Refusal, match=r"put your rows there \(own.unlabelled\)"):
        new_documents.documents(
            given, own.parameters.prepare, own.parameters.own, 1, own.parameters.compute, notes
        )
    Path(own.parameters.own.unlabelled, "a.jsonl").write_text('{"text": "no document"}\n{"document": ""}\n')
    with pytest.raises(Refusal, match=r"holds no usable document \(\{'empty': 2\}\)"):
        new_documents.documents(
            given, own.parameters.prepare, own.parameters.own, 1, own.parameters.compute, notes
        )


def asked(iterate, **changed):
    return iterate(prompts={"kind": "written", **EXAMPLES, **FILTERS, **changed})


def replying(*replies):
    """Gives these in turn, over and over, and keeps what it was asked."""
    seen = []

    def carry_on(prompts, seeds):
        found = [replies[(len(seen) + place) % len(replies)] for place in range(len(prompts))]
        seen.extend(prompts)
        return found

    return carry_on, seen


def test_written_documents_pass_every_filter(own, iterate, notes):
    test = min(texts("test"), key=len)
    bad = ["짧다", "그림을 그렸다. 그 그림은 산이다.", "가" * 2001, "\n글 4:\n", NEW[0] + " ", test]
    carry_on, seen = replying(NEW[0] + "\n\n글 4:\n다음 글", *bad, NEW[1], NEW[2])
    found = new_documents.written(asked(iterate, characters=[10, 2000]), 0.9, 1, carry_on, notes)
    assert [one.text for one in found] == NEW
    assert len({one.id for one in found}) == 3
    assert seen[0].startswith("글 1:\n")
    assert seen[0].endswith("\n\n글 3:\n")
    assert "'keyword': 1" in notes.said[-1]
    assert "'known': 2" in notes.said[-1]
    assert "'length': 3" in notes.said[-1]


def test_later_prompts_show_what_was_written(own, iterate, notes):
    carry_on, seen = replying(*NEW, "짧다", "짧다")
    given = asked(iterate, attempts=40).model_copy(update={"documents": 20})
    with pytest.raises(Refusal, match="3 can be used"):
        new_documents.written(given, 0.9, 1, carry_on, notes)
    assert sum(any(text in prompt for text in NEW) for prompt in seen) == len(seen) - 20


def test_a_model_that_cannot_write_is_refused_with_the_counts(own, iterate, notes):
    carry_on, seen = replying("짧다")
    with pytest.raises(
        Refusal, match=r"of 9 documents that models/base wrote, 0 can be used \(dropped: \{'length': 9\}\)"
    ):
        new_documents.written(asked(iterate), 0.9, 1, carry_on, notes)
    assert len(seen) == 9  # documents x attempts


def test_a_prompt_that_does_not_fit_the_base_is_refused(own, iterate, notes):
    given = asked(iterate, examples=8, tokens=500)
    with pytest.raises(Refusal, match="lower examples or tokens"):
        new_documents.documents(
            given, own.parameters.prepare, own.parameters.own, 1, own.parameters.compute, notes
        )
