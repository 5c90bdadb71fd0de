"""Checks of rows, pairs and records, without a model: each planted fault is found where it lies."""

import json
from pathlib import Path

import pytest

from tasks.ledger.plan import Plan, Planned
from tasks.ledger.target import Target
from tasks.preflight import identity, judging, pairs, rows, truncation
from tasks.preflight.seen import Seen

GRAVE = ("failure", "warning")
PRICE = {"input": 2.0, "output": 10.0, "reply_tokens": 5, "max_cost": 1.0}
JUDGE = {"kind": "endpoint", "url": "http://localhost:1/v1", "model": "m", "rubric": "en", "temperature": 0.0}
JUDGE |= {"reply_tokens": 64, "concurrency": 1, "max_attempts": 1, "timeout_seconds": 60.0}
JUDGE |= {"requests_per_minute": None, "price": PRICE}


def planned(*targets: Target, due: bool = False) -> Plan:
    return Plan(tuple(Planned(one.record, one, (), due, None) for one in targets), 1)


def test_rows_and_pairs_in_order_have_nothing_against_them(fresh, found):
    fresh.prepared()
    fresh.pairs()
    seen = fresh.seen()
    assert found([*rows.findings(seen), *pairs.findings(seen)], *GRAVE) == []


def test_before_anything_is_prepared_the_sources_first_rows_are_read(fresh, found):
    told = found(rows.findings(fresh.seen()))
    assert told[0] == ("note", "rows", told[0][2])
    assert told[0][2].startswith("first 32 rows read, 32 usable; mended: dialogues 32, ")  # 24 + 4 + 4
    assert told[1][0] == "not yet"


def test_files_that_hold_too_many_bad_rows_are_a_failure_at_the_first_of_them(fresh):
    folder = Path("data/own/documents")
    folder.mkdir(parents=True)
    lines = [
        {"document": "긴 글이 여기에 있다.", "summary": "짧다."},
        {"document": "글이다.", "summary": None},
    ]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    fields = {"document": "document", "summary": "summary", "id": None, "title": None, "date": None}
    split = {"by": "document", "validation": 0.1, "test": 0.1, "seed": 0}
    fresh.given["prepare"]["source"] = {"kind": "files", "fields": fields, "split": split, "max_train": None}
    [failure, *_] = rows.findings(fresh.seen())
    assert (failure.level, failure.check) == ("failure", "rows")
    assert failure.place.endswith("rows.jsonl:2")
    assert "1 of the first 2 rows are refused, the first: no summary" in failure.cause


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"summary": "  "}, "have an empty document or summary, r0 first"),
        ({"summary": "가  나", "document": "가 나"}, "have a summary equal to its document, r0 first"),
    ],
)
def test_an_empty_row_and_an_identical_one_are_failures(changed, cause, fresh, a_row):
    fresh.prepared(train=[a_row(0, **changed), a_row(1)])
    assert any(cause in one.cause for one in rows.findings(fresh.seen()) if one.level == "failure")


def test_a_document_in_two_splits_is_a_leak_whatever_its_white_space(fresh, a_row):
    copy = a_row(0)["document"].replace("\n", " \n ")
    fresh.prepared(test=[a_row(8, document=copy), a_row(9)])
    [leak] = [one for one in rows.findings(fresh.seen()) if one.check == "leak"]
    assert (leak.level, leak.cause) == ("failure", "1 documents stand in train as well, r8 first")


@pytest.mark.parametrize(
    ("fold", "changed", "cause"),
    [
        ("a", {"rejected": "맞는 말 00"}, "1 of 10 pairs have two equal sides, p0 first"),
        ("b", {"chosen": " "}, "1 of 10 pairs have an empty side, p0 first"),
        ("b", {"prompt": "글 5번\n요약: "}, "1 prompts stand in fold a as well"),
    ],
)
def test_a_pair_that_teaches_nothing_or_leaks_into_a_fold_is_a_failure(fold, changed, cause, fresh, a_pair):
    other = 0 if fold == "a" else 20
    fresh.pairs(
        **{
            fold: [
                a_pair(0, **{"prompt": f"글 {other}번\n요약: ", **changed}),
                *map(a_pair, range(other + 1, other + 10)),
            ]
        }
    )
    assert cause in [one.cause for one in pairs.findings(fresh.seen()) if one.level == "failure"]


def test_a_prompt_that_holds_a_test_document_is_a_failure(fresh, a_row, a_pair):
    fresh.prepared()
    leaked = a_pair(0, prompt=f"요약해 줘.\n\n{a_row(8)['document']}\n\n요약: ")  # rows 8 to 11 are the tests
    fresh.pairs(a=[leaked, *map(a_pair, range(1, 10))])
    [leak] = [one for one in pairs.findings(fresh.seen()) if one.check == "leak"]
    assert (leak.level, leak.place) == ("failure", "data/pairs: p0")
    assert "data/prepared/test.parquet: r8" in leak.cause


def test_pairs_that_prefer_the_longer_are_warned_of_with_their_share(fresh, a_pair):
    longer = [a_pair(n, chosen=f"맞는 말을 길게 {n:02}") for n in range(6)]
    fresh.pairs(a=[*longer, *map(a_pair, range(6, 10))])
    [told] = [one for one in pairs.findings(fresh.seen()) if one.check == "length"]
    # 40 pairs, 6 with the longer chosen and 34 of equal length, which count half: (6 + 17) / 40
    assert (told.level, told.numbers["longer_chosen_share"]) == ("note", 0.575)
    fresh.pairs(a=[*longer, *(a_pair(n, chosen=f"맞는 말을 길게 {n:02}") for n in range(6, 10))])
    [told] = [one for one in pairs.findings(fresh.seen()) if one.check == "length"]
    assert (told.level, told.numbers["longer_chosen_share"]) == ("warning", 0.625)  # (10 + 15) / 40


def test_a_pair_twice_and_a_pair_both_ways_round_are_warned_of(fresh, a_pair):
    both = a_pair(1, chosen="틀린 말 01", rejected="맞는 말 01")
    fresh.pairs(a=[a_pair(0), a_pair(0), a_pair(1), both])
    causes = [one.cause for one in pairs.findings(fresh.seen()) if one.level == "warning"]
    assert causes == ["1 of 34 pairs stand there twice", "1 pairs stand there both ways round"]


def test_own_pairs_are_looked_at_before_any_stage_has_run(fresh):
    folder = Path("data/own/pairs")
    folder.mkdir(parents=True)
    rows_ = [
        {"prompt": "가", "chosen": "나", "rejected": "나"},
        {"prompt": "가", "chosen": "나", "rejected": "다"},
    ]
    (folder / "p.jsonl").write_text("\n".join(json.dumps(one) for one in rows_), encoding="utf-8")
    fresh.given["pairs"]["source"] = {"kind": "own"}
    told = [one for one in pairs.findings(fresh.seen()) if one.level == "warning"]
    assert told[0].cause == "1 pairs; left out: 1 identical"


def test_trainings_must_have_had_all_rows_of_their_file(fresh, a_pair):
    fresh.pairs()
    plan = planned(Target("align", "pairs", "dpo", 0), Target("align", "online", "rloo", 0))
    fresh.record("align-dpo-0", rows=10)
    fresh.record("align-rloo-0", rows=10)
    [note] = truncation._equal_rows(fresh.seen(plan))
    assert (note.level, note.numbers) == ("note", {"rows": 10})
    fresh.record("align-dpo-0", rows=9)
    [odd] = truncation._equal_rows(fresh.seen(plan))
    assert (odd.level, odd.numbers) == ("failure", {"align-dpo-0": 9})


def test_summaries_that_were_cut_off_are_counted_by_stage(fresh):
    fresh.record("sample", ended_share=0.9)
    fresh.record("evaluate-sft", greedy_ended=1.0, sampled_ended=0.5)
    plan = planned(Target("sample"), Target("evaluate", model="sft"))
    told = [one for one in truncation.findings(fresh.seen(plan)) if "cut off" in one.cause]
    assert [one.cause[:5] for one in told] == ["10.0%", "50.0%"]


def test_a_branch_that_was_trained_from_another_start_is_a_failure(fresh):
    for name, facts in (("sft", {}), ("dpo-0", {"start_sha256": "s"})):
        Path(f"models/{name}").mkdir(parents=True)
        weights = {"weights_sha256": name[0], **facts}
        Path(f"models/{name}/manifest.json").write_text(json.dumps(weights), encoding="utf-8")
    fresh.record("align-dpo-0", start_sha256="s", reference_sha256="s", weights_sha256="d")
    seen = fresh.seen(planned(Target("align", "pairs", "dpo", 0)))
    assert [one.level for one in identity._branches(seen)] == ["note"]
    fresh.record("align-dpo-0", start_sha256="s", reference_sha256="base", weights_sha256="d")
    [wrong] = identity._branches(seen)  # trap 1: the reference has silently become the base model
    assert (wrong.level, wrong.numbers) == ("failure", {"reference_sha256": "base"})


def test_a_reward_model_that_knows_no_more_than_length_is_warned_of(fresh):
    fresh.record("reward-a", holdout_accuracy=0.7, longer_accuracy=0.75)
    fresh.record("reward-b", holdout_accuracy=0.8, longer_accuracy=0.75)
    [told] = identity._reward(fresh.seen())
    assert (told.level, told.place) == ("warning", "models/reward-a")


def test_what_a_judge_may_cost_is_counted_before_it_is_asked(fresh, a_row):
    text = {"document": "a" * 30, "summary": "b" * 9}
    fresh.prepared(train=[a_row(n, **text) for n in range(2)])
    fresh.given["duel"].update(judges={"grader": JUDGE}, prompts=3)
    [told] = judging.findings(fresh.seen())
    # 3 contests of dpo, rloo and sft, 1 seed, 3 of 4 prompts, both orders: 18 requests. A rubric that is not there
    # has no tokens; (30 + 2 * 9) / 3 bytes = 16 tokens and two frames of 16: 48 to send, 5 to get
    assert told.numbers == {"requests": 18, "sent": 864, "replied": 90, "cost": (864 * 2 + 90 * 10) / 1e6}
    assert told.level == "note"
    fresh.given["duel"]["judges"]["grader"]["price"] = {**PRICE, "max_cost": 0.001}
    assert [one.level for one in judging.findings(fresh.seen())] == ["failure"]


def test_what_is_due_is_not_taken_for_what_is_there(fresh):
    fresh.prepared()
    assert "test" in fresh.seen().splits
    due = planned(Target("prepare"), due=True)
    assert "test" not in Seen(fresh.seen().given, due).splits
