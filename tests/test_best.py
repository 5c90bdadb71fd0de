"""Stage best: of fold A's prompts the best of the first N samples, by the reward model or by the judge."""

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks import best as stage
from tasks import methods
from tasks.engine import models
from tasks.engine.groups import Group
from tasks.engine.scoring import Scorer, rewards
from tasks.engine.text import encode_completion, encode_prompt
from tasks.refusal import Refusal


@pytest.fixture
def run(own):
    def made(best_of=4, reward="judge"):
        walk = own.entry("dpo").optimisation.model_dump()
        given = {"method": "best_of_n", "best_of": best_of, "reward": reward, "optimisation": walk}
        own.change("branches.best", top=methods.load("best_of_n").Config.model_validate(given).model_dump())
        return own.run("best --family best --branch top")

    return made


def rows():
    return pq.read_table("data/best/top.parquet").to_pylist()


def judged(folder="."):
    """Every document's samples in the order that they were drawn in."""
    found = {}
    for row in pq.read_table(Path(folder) / "data/judged.parquet").to_pylist():
        found.setdefault(row["id"], []).append(row)
    return found


def prompts():
    table = pq.read_table("data/pairs/a.parquet")
    return dict(zip(table["id"].to_pylist(), table["prompt"].to_pylist(), strict=True))


def plant(change):
    """Writes data/judged.parquet anew, after a change of each row by its id and its number."""
    table = pq.read_table("data/judged.parquet")
    changed = [row | change(row["id"], row["sample"]) for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(changed, schema=table.schema), "data/judged.parquet")


def test_the_judges_best_of_every_prompt_of_fold_a_is_taken(run):
    told, samples = run(), judged()
    assert {row["id"]: row["prompt"] for row in rows()} == prompts()
    for row in rows():
        ended = [one for one in samples[row["id"]] if one["ended"] and one["completion"]]
        assert row["score"] == max(one["score"] for one in ended)
        assert samples[row["id"]][row["sample"]]["completion"] == row["completion"]
        assert row["ranked"] == len(ended)
        assert row["mean_score"] == pytest.approx(sum(one["score"] for one in ended) / len(ended))
    assert told["rows"] == len(prompts())
    assert told["mean_score_best"] > told["mean_score_ranked"]


@pytest.mark.parametrize("reward", ["judge", "model"])
def test_it_declares_the_samples_that_it_chose_from_and_the_verdicts_that_it_asked_for(reward, run):
    plant(lambda name, number: {"tokens": 10 + number, "ended": number > 0, "completion": f"요약 {number}"})
    told, count = run(best_of=3, reward=reward), len(prompts())
    assert told["generated_tokens"] == count * (10 + 11 + 12)  # of the first 3, those cut off too
    assert told["reward_calls"] == count * 2  # a summary that was cut off is not asked about
    assert told["reward"] == reward
    climbed = models.weights_hash(Path("models/reward-a"))
    assert told.get("climbed_sha256") == (climbed if reward == "model" else None)
    assert told["data_sha256"] == models.file_sha256(Path("data/best/top.parquet"))
    assert told["pairs_sha256"] == models.file_sha256(Path("data/pairs/a.parquet"))


def test_the_reward_model_ranks_the_texts_by_its_own_scale(run, own):
    run(reward="model")
    tokenizer = models.load_tokenizer("models/reward-a")
    scale = json.loads(Path("models/reward-a/manifest.json").read_text())
    scorer = Scorer(models.load_reward("models/reward-a", own.parameters.compute))
    samples, differ = judged(), 0
    for row in rows():
        ended = [one for one in samples[row["id"]] if one["ended"] and one["completion"]]
        prompt = tuple(encode_prompt(tokenizer, row["prompt"]))
        asked = [Group(prompt, (tuple(encode_completion(tokenizer, one["completion"])),)) for one in ended]
        scores = [(score - scale["mean"]) / scale["deviation"] for score in rewards(scorer, asked, 4096)]
        assert row["score"] == pytest.approx(max(scores), abs=1e-3)
        chosen = next(
            score for score, one in zip(scores, ended, strict=True) if one["sample"] == row["sample"]
        )
        assert chosen == pytest.approx(max(scores), abs=1e-3)
        differ += row["score"] > min(scores) + 1e-2
    assert differ  # it had a choice


def test_the_reward_model_and_the_judge_do_not_agree_on_all(run):
    run(reward="model")
    model = [row["sample"] for row in rows()]
    run(reward="judge")
    assert [row["sample"] for row in rows()] != model


@pytest.mark.parametrize("top", [0, 1, 3])
def test_the_one_with_the_highest_score_is_taken_wherever_it_stands(top, run):
    plant(lambda name, number: {"score": float(number == top), "ended": True, "completion": f"요약 {number}"})
    run()
    assert {row["sample"] for row in rows()} == {top}
    assert {row["completion"] for row in rows()} == {f"요약 {top}"}


def test_a_tie_goes_to_the_first(run):
    plant(lambda name, number: {"score": 0.5, "ended": number > 0, "completion": f"요약 {number}"})
    run()
    assert {row["sample"] for row in rows()} == {1}  # 0 was cut off


def test_only_the_first_n_are_ranked(run):
    plant(lambda name, number: {"score": number / 4, "ended": True, "completion": f"요약 {number}"})
    run(best_of=2)
    assert {(row["sample"], row["ranked"]) for row in rows()} == {(1, 2)}


def test_samples_in_another_order_are_the_same_samples(run):
    run(best_of=2)
    before = rows()
    table = pq.read_table("data/judged.parquet")
    pq.write_table(table.take(list(reversed(range(len(table))))), "data/judged.parquet")
    run(best_of=2)
    assert rows() == before


def test_what_was_cut_off_or_is_empty_is_left_out_and_counted(run):
    lost = sorted(prompts())[0]

    def change(name, number):
        text = "" if number == 1 else f"요약 {number}"
        return {"score": 1 - number / 4, "ended": name != lost and number != 0, "completion": text}

    plant(change)
    told, count = run(best_of=3), len(prompts())
    assert Counter(row["sample"] for row in rows()) == {2: count - 1}
    assert lost not in {row["id"] for row in rows()}
    assert told["dropped_prompts_without_any"] == 1
    assert told["dropped_samples_cut_off"] == count - 1 + 3
    assert told["dropped_samples_empty"] == count - 1


def test_where_nothing_is_left_it_says_why(run):
    plant(lambda name, number: {"ended": False})
    with pytest.raises(Refusal, match=r"branches.best.top: none of \d+ prompts has a summary to learn"):
        run()


def test_more_than_was_sampled_is_refused_before_anything_runs(run):
    with pytest.raises(Refusal, match=r"best.top.best_of is 5, and sample.completions draws 4; change one"):
        run(best_of=5)


def test_samples_of_an_earlier_run_that_are_too_few_are_refused_before_any_model(run, own, monkeypatch):
    own.change("sample", completions=6)
    monkeypatch.setattr(stage.reward_model, "load", lambda *_: pytest.fail("a model was loaded"))
    with pytest.raises(
        Refusal, match=r"best_of: is 5, and .*judged.parquet holds 4 .*sample.completions to 5"
    ):
        run(best_of=5, reward="model")


def test_a_users_own_pairs_have_no_samples(run):
    table = pq.read_table("data/pairs/a.parquet")
    place = table.schema.get_field_index("judge")
    bare = table.set_column(place, "judge", pa.nulls(len(table), pa.string()))
    pq.write_table(bare, "data/pairs/a.parquet")
    with pytest.raises(Refusal, match=r"branches.best.top: the prompts of these pairs are your own"):
        run()


def test_a_reward_model_that_was_tampered_with_is_refused(run):
    path = Path("models/reward-a/model.safetensors")
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    with pytest.raises(Refusal, match=r"models/reward-a/model.safetensors: its bytes"):
        run(reward="model")
    run(reward="judge")  # it asks no model
