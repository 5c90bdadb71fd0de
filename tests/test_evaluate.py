"""Stage evaluate: one set of prompts and measures for every model."""

import hashlib
import json
import shutil
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from tasks.engine import models
from tasks.engine.groups import Group
from tasks.engine.sampling import sample, seeded
from tasks.engine.scoring import Scorer, rewards
from tasks.engine.text import decode, encode_completion, encode_prompt, render
from tasks.refusal import Refusal

MODELS = ["sft", "dpo-0", "rloo-0"]


def rows(model, decoding):
    table = pq.read_table(f"reports/evaluation/{model}/predictions.parquet").to_pylist()
    return [row for row in table if row["decoding"] == decoding]


def summary(model):
    return json.loads(Path(f"reports/evaluation/{model}/summary.json").read_text(encoding="utf-8"))


def prompts(project, tokenizer):
    documents = pq.read_table("data/prepared/test.parquet").column("document").to_pylist()
    return [
        encode_prompt(tokenizer, render(tokenizer, document, project.parameters.text))
        for document in documents
    ]


@pytest.mark.parametrize("model", MODELS)
def test_every_test_document_has_one_greedy_and_two_sampled_summaries(model, here):
    ids = pq.read_table("data/prepared/test.parquet").column("id").to_pylist()
    assert [(row["id"], row["sample"]) for row in rows(model, "greedy")] == [(name, 0) for name in ids]
    assert [(row["id"], row["sample"]) for row in rows(model, "sampled")] == [
        (n, s) for n in ids for s in (0, 1)
    ]


def test_sft_against_itself_has_a_divergence_of_exactly_0(here):
    assert {(row["kl_k1"], row["kl_k3"]) for row in rows("sft", "sampled")} == {(0.0, 0.0)}


def test_a_branch_that_has_not_moved_has_no_divergence(own):
    """Decoding and scoring, of two models in memory, agree."""
    before = [row["kl_k1"] for row in rows("rloo-0", "sampled")]
    shutil.rmtree("models/rloo-0")
    shutil.copytree("models/sft", "models/rloo-0")
    own.run("evaluate --model rloo-0")
    after = [abs(row["kl_k1"]) for row in rows("rloo-0", "sampled")]
    assert max(after) < 1e-4 < max(map(abs, before))


@pytest.mark.parametrize("model", MODELS)
def test_a_greedy_summary_estimates_no_divergence(model, here):
    assert {(row["kl_k1"], row["kl_k3"]) for row in rows(model, "greedy")} == {(None, None)}
    assert not {"kl_k1", "kl_k3"} & summary(model)["greedy"].keys()


@pytest.mark.parametrize("model", ["dpo-0", "rloo-0"])
def test_a_branchs_divergence_is_that_of_one_row_forwards(model, here):
    """By hand: sample again from the branch with the same seed, and sum the log-ratios of each row alone."""
    tokenizer, compute = models.load_tokenizer(models.SFT), here.parameters.compute
    policy, reference = (
        models.load_policy(f"models/{model}", compute),
        models.load_policy(models.SFT, compute),
    )
    asked = prompts(here, tokenizer)
    found = sample(
        Scorer(policy),
        [tuple(prompt) for prompt in asked],
        completions=2,
        max_new_tokens=here.parameters.text.max_completion_tokens,
        batch_size=256,
        eos=tokenizer.eos_token_id,
        generators=seeded(here.parameters.evaluate.seed, range(len(asked))),
    )
    pairs = [(prompt, one) for prompt, some in zip(asked, found, strict=True) for one in some]
    for (prompt, completion), row in list(zip(pairs, rows(model, "sampled"), strict=True))[:6]:
        assert len(completion.ids) == row["tokens"]
        ids = torch.tensor([prompt + completion.ids])
        with torch.no_grad():
            ours, theirs = (
                m(ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1) for m in (policy, reference)
            )
        ratio = (ours - theirs).gather(-1, torch.tensor(completion.ids)[:, None])[:, 0].double().numpy()
        assert row["kl_k1"] == pytest.approx(ratio.sum(), abs=1e-4)
        assert row["kl_k3"] == pytest.approx((np.exp(-ratio) - 1 + ratio).sum(), abs=1e-4)
        assert row["kl_k3"] >= 0


@pytest.mark.parametrize("model", MODELS)
def test_its_means_are_those_of_its_rows(model, here):
    for decoding in ("greedy", "sampled"):
        found, means = rows(model, decoding), summary(model)[decoding]
        for name, mean in means.items():
            assert mean == pytest.approx(float(np.mean([row[name] for row in found])), abs=1e-5), name
            assert here.metrics[f"evaluate-{model}"][f"{decoding}_{name}"] == mean
        assert {"gold", "reward", "rougeL", "ended", "repetition", "invented_numbers"} <= means.keys()


def test_all_models_are_held_against_the_same_reference_prompts_and_reward(here):
    for name in ("reference_sha256", "prompts_sha256", "reward_sha256", "split", "judge", "rows"):
        assert len({summary(model)[name] for model in MODELS}) == 1
    assert len({summary(model)["model_sha256"] for model in MODELS}) == 3
    assert summary("sft")["model_sha256"] == summary("sft")["reference_sha256"]
    reward = models.verified_manifest(Path("models/reward-b"))["weights_sha256"]
    assert summary("sft")["reward_sha256"] == reward  # fold B's, that no branch was trained with


def test_all_models_have_the_same_terms_and_compare_tells_them(here):
    terms = {model: summary(model)["contract"] for model in MODELS}
    assert terms["sft"] == terms["dpo-0"] == terms["rloo-0"]
    known = terms["sft"]
    assert known["model_tokenizer_sha256"] == known["tokenizer_sha256"]
    assert known["decoding"] == {"max_new_tokens": 48, "samples": 2, "seed": 0, "temperature": 1.0}
    assert (known["dtype"], known["device"]) == ("float32", "cpu")
    compared = json.loads(Path("reports/comparison.json").read_text(encoding="utf-8"))["contract"]
    trained = here.metrics["align-rloo-0"]
    assert compared["terms"]["template_sha256"] == known["template_sha256"]
    assert compared["terms"]["start_sha256"] == trained["start_sha256"]
    assert compared["terms"]["climbed_sha256"] == here.metrics["reward-a"]["weights_sha256"]
    budget = {name: trained[name] for name in compared["branches"]["rloo"]["budget"]}
    assert compared["branches"]["rloo"]["budget"] == budget
    assert "rloo knows the pairs' reward model" in compared["differences"]


def test_models_that_were_evaluated_otherwise_are_not_compared(own):
    """A branch alone was evaluated after a change of the template, of the draws and of a reference summary."""
    own.change("text", template="{document}\n한 문장으로: ")
    own.change("evaluate", seed=3)
    table = pq.read_table("data/prepared/test.parquet")
    rewritten = [row | {"summary": row["summary"] + " 끝."} for row in table.to_pylist()]
    pq.write_table(table.from_pylist(rewritten, schema=table.schema), "data/prepared/test.parquet")
    own.run("evaluate --model dpo-0")
    with pytest.raises(Refusal) as caught:
        own.run("compare")
    told = str(caught.value)
    for term in ("prompts_sha256", "documents_sha256", "template_sha256"):
        assert f"evaluation/dpo-0: {term} is {short(term)}" in told
    assert "evaluation/dpo-0: decoding is {'seed': 3}, that of sft is {'seed': 0}" in told
    assert "4 undeclared differences" in told


def short(term):
    found = summary("dpo-0")
    return {**found, **found["contract"]}[term][:12]


def test_the_prompts_hash_is_of_their_ids(here):
    ids = prompts(here, models.load_tokenizer(models.SFT))
    assert summary("sft")["prompts_sha256"] == hashlib.sha256(json.dumps(ids).encode()).hexdigest()


def test_the_reward_is_fold_bs_of_the_text_by_its_own_scale(here):
    tokenizer = models.load_tokenizer(models.SFT)
    scale = json.loads(Path("models/reward-b/manifest.json").read_text())
    model = models.load_reward("models/reward-b", here.parameters.compute)
    ended = [row for row in rows("sft", "sampled") if row["ended"]]
    documents = {
        row["id"]: row["document"] for row in pq.read_table("data/prepared/test.parquet").to_pylist()
    }
    scored = [
        Group(
            tuple(encode_prompt(tokenizer, render(tokenizer, documents[row["id"]], here.parameters.text))),
            (tuple(encode_completion(tokenizer, row["prediction"])),),
        )
        for row in ended
    ]
    scores = rewards(Scorer(model), scored, 4096)
    expected = [(score - scale["mean"]) / scale["deviation"] for score in scores]
    assert ended
    assert [row["reward"] for row in ended] == pytest.approx(expected, abs=1e-3)


def test_a_summary_that_was_cut_off_has_the_limits_length(here):
    limit = here.parameters.text.max_completion_tokens
    cut = [row for model in MODELS for row in rows(model, "sampled") if not row["ended"]]
    assert cut
    assert {row["tokens"] for row in cut} == {limit}


def test_sfts_summary_alone_holds_the_baselines(here):
    found = summary("sft")["baselines"]
    assert found["reference"]["gold"] == 1  # the rouge judge of the reference itself
    assert 0 < found["lead1"]["gold"] < 1
    assert all("baselines" not in summary(model) for model in MODELS[1:])


def test_a_row_names_every_measure_of_the_contract(here):
    names = set(pq.read_schema("reports/evaluation/dpo-0/predictions.parquet").names)
    assert names >= {
        *(
            "id",
            "decoding",
            "sample",
            "prediction",
            "ended",
            "tokens",
            "characters",
            "gold",
            "reward",
            "kl_k1",
        ),
        *("kl_k3", "rouge1", "rouge2", "rougeL", "repetition", "invented_numbers", "compression"),
        *("gold_rouge1", "gold_rouge2", "gold_rougeL"),
    }


def test_an_empty_split_is_refused(own):
    table = pq.read_table("data/prepared/validation.parquet")
    pq.write_table(table.slice(0, 0), "data/prepared/validation.parquet")
    own.change("evaluate", split="validation")
    with pytest.raises(Refusal, match=r"evaluate.split: the split validation is empty; choose the other"):
        own.run("evaluate --model sft")


def test_a_model_that_was_tampered_with_is_refused(own):
    path = Path("models/dpo-0/model.safetensors")
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    with pytest.raises(Refusal, match=r"models/dpo-0/model.safetensors: its bytes"):
        own.run("evaluate --model dpo-0")


def test_documents_without_facts_have_no_gold_under_the_exact_judge(own):
    table = pq.read_table("data/prepared/test.parquet")
    bare = [row | {"facts": None} for row in table.to_pylist()]
    pq.write_table(table.from_pylist(bare, schema=table.schema), "data/prepared/test.parquet")
    own.change("judge", kind="exact")
    assert not any("gold" in name for name in own.run("evaluate --model sft"))


def best_of():
    return pq.read_table("reports/evaluation/sft/best_of.parquet")


def test_the_sampled_rows_are_the_first_of_the_best_of_n_samples(here):
    sampled = rows("sft", "sampled")
    ids = [row["id"] for row in rows("sft", "greedy")]
    many = best_of().to_pylist()
    assert [(row["id"], row["sample"]) for row in many] == [(name, s) for name in ids for s in range(4)]
    first = [row for row in many if row["sample"] < 2]
    for name in ("prediction", "gold"):
        assert [row[name] for row in first] == [row[name] for row in sampled]
    assert [row["reward"] for row in first] == pytest.approx([row["reward"] for row in sampled], abs=1e-3)


def test_all_n_are_drawn_by_the_prompts_own_numbers(here):
    """As one draw of 4 would be: each prompt's further numbers follow those of its sampled summaries."""
    tokenizer = models.load_tokenizer(models.SFT)
    asked = [tuple(prompt) for prompt in prompts(here, tokenizer)]
    found = sample(
        Scorer(models.load_policy(models.SFT, here.parameters.compute)),
        asked,
        completions=4,
        max_new_tokens=here.parameters.text.max_completion_tokens,
        batch_size=256,
        eos=tokenizer.eos_token_id,
        generators=seeded(here.parameters.evaluate.seed, range(len(asked))),
    )
    texts = [decode(tokenizer, one.ids) for some in found for one in some]
    assert best_of()["prediction"].to_pylist() == texts
    assert len(set(texts)) > len(asked)


@pytest.mark.parametrize("most", [1, 3])
def test_the_sampled_rows_are_the_same_however_many_are_ranked(most, own):
    before = rows("sft", "sampled")
    own.change("evaluate", best_of=most)
    shutil.rmtree("reports/evaluation/sft")
    own.run("evaluate --model sft")
    for now, then in zip(rows("sft", "sampled"), before, strict=True):
        assert now == pytest.approx(then, abs=1e-5)
    assert ("best_of" in summary("sft")) == (most > 1)
    assert Path("reports/evaluation/sft/best_of.parquet").exists() == (most > 1)


def test_more_samples_than_are_ranked_leave_the_first_n(own):
    own.change("evaluate", samples=3, best_of=2)
    own.run("evaluate --model sft")
    first = [row["prediction"] for row in rows("sft", "sampled") if row["sample"] < 2]
    assert best_of()["prediction"].to_pylist() == first


def test_it_is_ranked_by_fold_as_reward_and_measured_by_fold_bs(here):
    tokenizer, many = models.load_tokenizer(models.SFT), best_of().to_pylist()
    asked = prompts(here, tokenizer)
    limit = here.parameters.text.max_completion_tokens
    ids = [tuple(encode_completion(tokenizer, row["prediction"])) for row in many]
    whole = [place for place in range(len(many)) if len(ids[place]) < limit]  # those that ended, by far
    groups = [Group(tuple(asked[place // 4]), (ids[place],)) for place in whole]
    for fold, column in (("a", "ranking"), ("b", "reward")):
        folder = Path(f"models/reward-{fold}")
        scale = json.loads((folder / "manifest.json").read_text())
        scores = rewards(Scorer(models.load_reward(folder, here.parameters.compute)), groups, 4096)
        expected = [(score - scale["mean"]) / scale["deviation"] for score in scores]
        assert [many[place][column] for place in whole] == pytest.approx(expected, abs=1e-3)


def test_its_line_is_that_of_its_rows(here):
    many = best_of().to_pylist()
    by_prompt = [many[start : start + 4] for start in range(0, len(many), 4)]
    line = {point["n"]: point for point in summary("sft")["best_of"]}
    assert list(line) == [1, 2, 4]
    for name in ("ranking", "gold", "reward"):
        bests = [max(some, key=lambda row: (row["ranking"], -row["sample"]))[name] for some in by_prompt]
        assert line[4][name] == pytest.approx(np.mean(bests), abs=1e-5)
        assert line[1][name] == pytest.approx(np.mean([row[name] for row in many]), abs=1e-5)
        pairs = [
            max(two, key=lambda row: (row["ranking"], -row["sample"]))[name]
            for some in by_prompt
            for two in combinations(some, 2)
        ]
        assert line[2][name] == pytest.approx(np.mean(pairs), abs=1e-5)
    assert line[1]["ranking"] < line[2]["ranking"] < line[4]["ranking"]
    assert line[2]["kl_bound"] == pytest.approx(np.log(2) - 0.5, abs=1e-6)


def test_sft_alone_is_ranked(here):
    assert all("best_of" not in summary(model) for model in MODELS[1:])
    assert not Path("reports/evaluation/dpo-0/best_of.parquet").exists()
    ranking = models.verified_manifest(Path("models/reward-a"))["weights_sha256"]
    assert summary("sft")["ranking_sha256"] == ranking
