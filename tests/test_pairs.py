"""Stage pairs: best against worst, every drop counted, no prompt in two folds."""

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks import pairs
from tasks.corpus.pairs import sides
from tasks.engine import models
from tasks.measures.strength import planted
from tasks.refusal import Refusal
from tasks.sections.trunk import Pairs

PAIR = {"id": "x", **sides(("good", 0.9), ("bad", 0.1))}
FOLDS = ("a", "a_holdout", "b", "b_holdout")


def judged(*samples):
    """data/judged.parquet of (id, score, completion, ended) rows; `sample` counts within a document."""
    counts, rows = Counter(), []
    for name, score, completion, ended in samples:
        given = {"id": name, "sample": counts[name], "completion": completion, "ended": ended, "score": score}
        rows.append({**given, "gold": f"gold of {name}", "judge": "rouge"})
        counts[name] += 1
    Path("data").mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), "data/judged.parquet")


def settings(**changed):
    source = {"kind": "sampled", "min_margin": 0.1}
    given = {"source": source, "seed": 0, "fold_b": 0.3, "holdout": 0.2, "planted": 0.0}
    return Pairs.model_validate(given | changed)


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_best_sample_is_chosen_and_the_worst_rejected(empty):
    judged(
        ("x", 0.4, "mid", True), ("x", 0.9, "best!", True), ("x", 0.2, "bad", True), ("x", 0.3, "low", True)
    )
    (row,), _ = pairs.sampled(0.1)
    assert row == {
        **{"id": "x", "gold": "gold of x", "judge": "rouge", "chosen": "best!", "rejected": "bad"},
        **{"score_chosen": 0.9, "score_rejected": 0.2, "margin": pytest.approx(0.7)},
        **{"characters_chosen": 5, "characters_rejected": 3},
    }


def test_among_equals_the_first_sample_wins(empty):
    judged(("x", 0.9, "a", True), ("x", 0.1, "b", True), ("x", 0.9, "c", True), ("x", 0.1, "d", True))
    (row,), _ = pairs.sampled(0.1)
    assert (row["chosen"], row["rejected"]) == ("a", "b")


def test_every_document_and_sample_that_is_left_out_is_counted(empty):
    judged(
        *(("tied", score, text, True) for score, text in ((0.50, "a"), (0.55, "b"))),
        *(("identical", score, "same", True) for score in (0.5, 0.5, 0.5)),
        *(("cut", score, text, False) for score, text in ((0.1, "a"), (0.9, "b"))),
        *(("one", score, text, ended) for score, text, ended in ((0.1, "a", True), (0.9, "b", False))),
        *(("empty", score, text, True) for score, text in ((0.0, ""), (0.9, "b"), (0.2, "c"))),
    )
    rows, dropped = pairs.sampled(0.1)
    assert [row["id"] for row in rows] == ["empty"]
    assert rows[0]["rejected"] == "c"  # not the empty one
    assert dropped == {
        **{"samples_cut_off": 3, "samples_empty": 1},
        **{"documents_tied": 1, "documents_identical": 1, "documents_without_two": 2},
    }


def test_a_margin_equal_to_the_least_is_enough(empty):
    judged(("x", 0.75, "a", True), ("x", 0.5, "b", True))
    assert len(pairs.sampled(0.25)[0]) == 1
    assert len(pairs.sampled(0.2500001)[0]) == 0


def test_all_pairs_of_one_prompt_are_in_one_fold():
    rows = [{"prompt": f"prompt {i % 50}", "n": i} for i in range(150)]
    folds = pairs.split(rows, settings())
    prompts = {name: {row["prompt"] for row in part} for name, part in folds.items()}
    assert sum(len(part) for part in folds.values()) == 150
    assert len(set.union(*prompts.values())) == sum(len(each) for each in prompts.values()) == 50
    assert {name: len(each) for name, each in prompts.items()} == {
        "a": 28,
        "a_holdout": 7,
        "b": 12,
        "b_holdout": 3,
    }


def test_a_fold_does_not_depend_on_the_rows_order_and_does_on_the_seed():
    rows = [{"prompt": f"prompt {i}"} for i in range(40)]

    def folds(rows, seed):
        return {
            name: sorted(row["prompt"] for row in part)
            for name, part in pairs.split(rows, settings(seed=seed)).items()
        }

    assert folds(rows[::-1], 0) == folds(rows, 0)
    assert folds(rows, 1) != folds(rows, 0)


def test_the_folds_on_disk_are_disjoint_by_prompt_and_by_document(here):
    parts = [pq.read_table(f"data/pairs/{name}.parquet").to_pylist() for name in FOLDS]
    for key in ("prompt", "id"):
        seen = [row[key] for part in parts for row in part]
        assert len(seen) == len(set(seen))
    assert [len(part) for part in parts] == [here.metrics["pairs"][f"rows_{name}"] for name in FOLDS]
    train = set(pq.read_table("data/prepared/train.parquet").column("id").to_pylist())
    assert {row["id"] for part in parts for row in part} <= train


def test_the_pairs_on_disk_are_of_judged_samples_in_the_right_order(here):
    scores = {}
    for row in pq.read_table("data/judged.parquet").to_pylist():
        scores.setdefault((row["id"], row["completion"]), []).append(row["score"])
    for name in FOLDS:
        for row in pq.read_table(f"data/pairs/{name}.parquet").to_pylist():
            assert row["score_chosen"] > row["score_rejected"]
            for side in ("chosen", "rejected"):
                assert row[f"score_{side}"] in scores[row["id"], row[side]]
                assert row[f"characters_{side}"] == len(row[side])


def test_the_correlation_of_margin_and_length_by_hand():
    gaps, margins = [3, 1, -1, 0], [0.4, 0.2, 0.1, 0.1]
    rows = [
        {"characters_chosen": 10 + gap, "characters_rejected": 10, "margin": margin}
        for gap, margin in zip(gaps, margins, strict=True)
    ]
    told = pairs.told(rows)
    # gaps less their mean: 2.25 0.25 -1.75 -0.75; margins less theirs: 0.2 0 -0.1 -0.1
    assert told["length_margin_correlation"] == pytest.approx(0.7 / (8.75 * 0.06) ** 0.5, abs=1e-6)
    assert told["longer_chosen_share"] == 0.625
    assert (told["mean_characters_chosen"], told["mean_characters_rejected"]) == (10.75, 10.0)
    assert told["mean_margin"] == pytest.approx(0.2)


def test_equal_lengths_and_no_pairs_have_no_correlation():
    row = {"characters_chosen": 5, "characters_rejected": 5, "margin": 0.3}
    assert pairs.told([row, row | {"margin": 0.5}])["length_margin_correlation"] == 0
    assert pairs.told([row])["longer_chosen_share"] == 0.5
    assert pairs.told([]) == {}


def test_a_fold_without_a_pair_is_refused_with_what_was_dropped(own):
    own.change("pairs.source", min_margin=0.99)
    with pytest.raises(
        Refusal, match=r"data/pairs/a.parquet: no pair is left .*'documents_tied': \d+.*lower"
    ):
        own.run("pairs")


def noisy(own, share):
    """The miniature's pairs with this share of labels turned: fold A before and after, and the stage's metrics."""
    before = pq.read_table("data/pairs/a.parquet").to_pylist()
    own.change("pairs", planted=share)
    return before, own.run("pairs"), pq.read_table("data/pairs/a.parquet").to_pylist()


def test_planted_noise_turns_a_share_of_fold_as_training_labels_and_marks_them(own):
    others = {name: Path(f"data/pairs/{name}.parquet").read_bytes() for name in FOLDS[1:]}
    before, told, after = noisy(own, 0.25)
    turned = [row["planted"] for row in after]
    assert sum(turned) == told["planted"] == round(0.25 * len(before))
    for one, other, over in zip(before, after, turned, strict=True):
        left, right = ("rejected", "chosen") if over else ("chosen", "rejected")
        assert (other["chosen"], other["score_chosen"]) == (one[left], one[f"score_{left}"])
        assert (other["rejected"], other["characters_rejected"]) == (one[right], one[f"characters_{right}"])
        assert other["margin"] == (-one["margin"] if over else one["margin"])
        assert (other["id"], other["prompt"]) == (one["id"], one["prompt"])
    assert {name: Path(f"data/pairs/{name}.parquet").read_bytes() for name in others} == others


def test_no_planted_noise_leaves_no_mark(own):
    before = {name: Path(f"data/pairs/{name}.parquet").read_bytes() for name in FOLDS}
    noisy(own, 0.25)
    _, told, after = noisy(own, 0.0)
    assert {name: Path(f"data/pairs/{name}.parquet").read_bytes() for name in FOLDS} == before
    assert told["planted"] == 0
    assert "planted" not in after[0]


def test_more_noise_keeps_what_less_noise_turned_and_is_not_the_audits_draw():
    """With the draw of the audit, of the same seed, its turned labels would be the right ones."""
    low, high = (
        [row["planted"] for row in pairs.with_noise([PAIR] * 400, settings(planted=p))] for p in (0.1, 0.2)
    )
    assert sum(low) == 40
    assert sum(high) == 80
    assert all(more for less, more in zip(low, high, strict=True) if less)
    audit = planted(400, 0.2, settings().seed)
    assert 0.05 < (audit & high).mean() / 0.2 < 0.4  # by chance a fifth of them


def test_noise_of_less_than_one_pair_is_refused():
    with pytest.raises(Refusal, match=r"pairs.planted: 0.001 of 4 training pairs is less than one"):
        pairs.with_noise([PAIR] * 4, settings(planted=0.001))


def write_own(count=20, **changed):
    folder = Path("data/own/pairs")
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {"prompt": f"글 {i}을 요약해:", "chosen": f"좋은 요약 {i}", "rejected": f"나쁜 {i}"} | changed
        for i in range(count)
    ]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / "pairs.jsonl").write_text("\n".join(lines), encoding="utf-8")


def test_own_pairs_are_taken_as_they_are_without_scores(own):
    write_own()
    own.change("pairs", source={"kind": "own"})
    found = own.run("pairs")
    rows = [row for name in FOLDS for row in pq.read_table(f"data/pairs/{name}.parquet").to_pylist()]
    assert sorted(row["prompt"] for row in rows) == sorted(f"글 {i}을 요약해:" for i in range(20))
    assert {(row["margin"], row["gold"], row["judge"]) for row in rows} == {(None, None, None)}
    assert "mean_margin" not in found
    assert found["longer_chosen_share"] == 1


def test_own_pairs_train_a_branch(own):
    write_own()
    own.change("pairs", source={"kind": "own"})
    own.run("pairs")
    own.change("branches.pairs.dpo.optimisation", steps=1)
    assert (
        own.run("align --family pairs --branch dpo --seed 0")["rows"]
        == pq.read_metadata("data/pairs/a.parquet").num_rows
    )


def test_own_pairs_as_messages_need_a_chat_model(own):
    write_own(prompt=[{"role": "user", "content": "요약해"}])
    own.change("pairs", source={"kind": "own"})
    with pytest.raises(Refusal, match="has no chat template"):
        own.run("pairs")


def test_own_pairs_as_messages_go_through_the_chat_template(own):
    answer = [{"role": "user", "content": "요약해"}, {"role": "assistant", "content": " 요약 "}]
    write_own(prompt=[{"role": "user", "content": "요약해"}], chosen=answer)
    path = models.SFT / "tokenizer_config.json"
    template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": template}))
    own.change("pairs", source={"kind": "own"})
    with pytest.raises(Refusal, match="no pair is left for it"):  # one prompt fills one fold
        own.run("pairs")
    rows, _ = pairs.own_rows(
        Path("data/own/pairs"), lambda m: pairs.render_chat(models.load_tokenizer(models.SFT), m)
    )
    assert {(row["prompt"], row["chosen"]) for row in rows} == {("<user>요약해<assistant>", "요약")}


def test_an_own_pair_that_does_not_fit_the_model_is_refused_with_its_place(own):
    write_own(count=3, rejected="가" * 700)
    own.change("pairs", source={"kind": "own"})
    with pytest.raises(
        Refusal, match=r"own.pairs: pairs.jsonl:1: needs \d+ tokens, models/sft has 512 positions"
    ):
        own.run("pairs")


def test_an_own_pair_whose_prompt_holds_a_test_document_is_refused_with_its_place(own):
    document = pq.read_table("data/prepared/test.parquet").column("document")[0].as_py()
    write_own(count=3, prompt=f"요약해:\n{document}\n요약: ")
    own.change("pairs", source={"kind": "own"})
    with pytest.raises(Refusal, match=r"own.pairs: pairs.jsonl:1: .*held-out document .*of 3 of 3 rows"):
        own.run("pairs")
