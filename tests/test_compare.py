"""The stage compare on synthetic evaluations: what it says, what it refuses, and that its bytes stay."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from tasks import compare as stage
from tasks.measures.comparison import HIGHER, LOWER, SAME
from tasks.measures.evaluations import NUMBERS
from tasks.refusal import Refusal
from tasks.sections.asked import Duel
from tasks.sections.branches import Branches
from tasks.sections.compared import Compare
from tasks.sections.strength import Strength
from tasks.settings import FAMILIES, Branch, Tuning

PROMPTS, SAMPLES, SEEDS = 60, 2, [0, 1]
COMPARE = Compare(confidence=0.95, resamples=1000, seed=0, wanted_difference=0.02, wanted_win_gap=0.05)
DUEL = Duel(seed=0, prompts=None, batch=50, alpha=None, judges={})
STRENGTH = Strength(seed=0, members=[0], planted=0.2, votes={})
HASHES = {"reference_sha256": "r" * 64, "prompts_sha256": "p" * 64, "reward_sha256": "w" * 64}
CONTRACT = {
    "documents_sha256": "d" * 64,
    "tokenizer_sha256": "t" * 64,
    "model_tokenizer_sha256": "t" * 64,
    "template_sha256": "m" * 64,
    "decoding": {"max_new_tokens": 64, "samples": SAMPLES, "seed": 0, "temperature": 1.0},
    "judge_sha256": "j" * 64,
    "reward_scale": {"mean": 0.123456789, "deviation": 0.5},
    "dtype": "float32",
    "device": "cpu",
    "numerics": "shared prompts, block",
}
TRAINING = {
    **{"start_sha256": "r" * 64, "reference_sha256": "r" * 64, "data_sha256": "a" * 64, "engine": "gallim"},
    **{"steps": 36, "examples": 1152, "tokens": 180669, "generated_tokens": 0, "reward_calls": 0},
}
BASELINES = {
    "lead1": {"rouge1": 0.3, "rouge2": 0.1, "rougeL": 0.2},
    "random": {"rouge1": 0.2, "rouge2": 0.05, "rougeL": 0.15},
}
SHARED = np.random.default_rng(7).uniform(0.3, 0.7, PROMPTS)  # how hard each prompt is, for all models alike


def entries(*names: str) -> Branches:
    """Branches as params.yaml would give them; compare reads no more than their names and methods."""
    pairs = {name: Branch.model_construct(method="dpo") for name in names}
    return Branches.model_construct(**{**{family: {} for family in FAMILIES}, "pairs": pairs})


def evaluation(
    seed: int, gold: float = 0.0, reward: float = 0.0, kl: float = 0.0, noise: float = 0.05
) -> pa.Table:
    """Predictions whose mean gold and reward lie just so far above the prompts' common level."""
    rng = np.random.default_rng(seed)
    rows = []
    for decoding, count in (("greedy", 1), ("sampled", SAMPLES)):
        noise_2PK = noise * rng.normal(size=(2, PROMPTS, count))
        noise_2PK -= noise_2PK.mean(axis=(1, 2), keepdims=True)
        for place in range(PROMPTS):
            for sample in range(count):
                off_gold, off_reward = noise_2PK[:, place, sample]
                rows.append(
                    {
                        "id": f"doc-{place:03d}",
                        **dict.fromkeys(NUMBERS, 0.25),
                        "decoding": decoding,
                        "sample": sample,
                        "prediction": f"민수가 {place}시에 만나기로 했다.",
                        "ended": True,
                        "tokens": 12,
                        "characters": 18,
                        "gold": SHARED[place] + gold + off_gold,
                        "reward": SHARED[place] + reward + off_reward,
                        "kl_k1": kl + 0.1 * rng.normal() if kl else 0.0,
                        "kl_k3": kl,
                        "rouge1": 0.5,
                        "rouge2": 0.3,
                        "rougeL": SHARED[place] * 0.5,
                        "repetition": 0.0,
                        "invented_numbers": 0,
                        "compression": 0.3,
                    }
                )
    return pa.Table.from_pylist(rows)


def write(model: str, table: pa.Table, **changes: str | dict) -> None:
    folder = Path("reports/evaluation") / model
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "predictions.parquet")
    weights = HASHES["reference_sha256"] if model == "sft" else model
    summary = HASHES | {"model_sha256": weights, "baselines": BASELINES, "split": "test", "judge": "exact"}
    summary |= {"rows": PROMPTS, "contract": CONTRACT, **changes}
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    if model != "sft":
        trained(model)


def trained(model: str, **told: float | bool) -> None:
    """What the stage align tells of it."""
    path = Path(f"reports/metrics/align-{model}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(TRAINING | {"weights_sha256": model} | told), encoding="utf-8")


@pytest.fixture
def drawn():
    """For a test that looks at the plots; all others leave them out, which take nine tenths of its time."""


@pytest.fixture(autouse=True)
def _sketched(request, monkeypatch):
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr(Figure, "savefig", lambda _, text, **__: text.write("<svg></svg>"))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with documents and SFT's evaluation, and with `better`, `twin` (SFT again) and `fooled`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GALLIM_STATE", raising=False)
    Path("data/prepared").mkdir(parents=True)
    documents = [
        {
            "id": f"doc-{place:03d}",
            "document": f"민수: {place}시에 보자.\n지수: 그래.",
            "summary": f"둘이 {place}시에 만난다.",
        }
        for place in range(PROMPTS)
    ]
    pq.write_table(pa.Table.from_pylist(documents), "data/prepared/test.parquet")
    sft = evaluation(seed=100)
    write("sft", sft)
    for seed in SEEDS:
        write(f"better-{seed}", evaluation(seed, gold=0.1, reward=0.2, kl=1.5))
        write(f"twin-{seed}", sft)
        write(f"fooled-{seed}", evaluation(50 + seed, gold=-0.1, reward=0.4, kl=6.0))
    return tmp_path


def run(*names: str, seeds: list[int] = SEEDS, tuning: dict[str, Tuning] | None = None) -> dict:
    stage.run(COMPARE, entries(*names), seeds, tuning or {}, DUEL, STRENGTH)
    return json.loads(Path("reports/comparison.json").read_text(encoding="utf-8"))


def found(comparison: dict, left: str, right: str, decoding: str = "greedy", measure: str = "gold") -> dict:
    key = (left, right, measure)
    return next(
        r for r in comparison["differences"][decoding] if (r["left"], r["right"], r["measure"]) == key
    )


def warned(comparison: dict) -> list[dict]:
    """All warnings but those of judges: here reward and gold have nothing to do with each other."""
    return [alarm for alarm in comparison["warnings"] if alarm["kind"] != "judge"]


def test_a_planted_difference_is_found(project):
    comparison = run("better")
    for decoding in ("greedy", "sampled"):
        row = found(comparison, "better", "sft", decoding)
        assert row["verdict"] == HIGHER
        assert row["low"] < 0.1 < row["high"]
        assert row["seeds_agreeing"] == len(SEEDS)
    shown = Path("reports/comparison.html").read_text(encoding="utf-8")
    assert "better is higher than sft on gold" in shown
    assert "<h1>Take better: higher than sft on gold, +0.1" in shown


def test_the_same_model_cannot_be_told_apart(project):
    row = found(run("twin"), "twin", "sft")
    assert (row["difference"], row["low"], row["high"]) == (0.0, 0.0, 0.0)
    assert row["verdict"] == SAME
    assert row["seeds_agreeing"] is None
    assert "cannot tell apart" in Path("reports/comparison.html").read_text(encoding="utf-8")


def test_noise_alone_cannot_be_told_apart(project):
    write("noise-0", evaluation(900))
    assert found(run("noise", seeds=[0]), "noise", "sft")["verdict"] == SAME


def test_every_pair_of_branches_is_compared(project):
    comparison = run("better", "twin", "fooled")
    pairs = [(r["left"], r["right"]) for r in comparison["differences"]["greedy"] if r["measure"] == "gold"]
    assert pairs == [
        *(("better", "sft"), ("twin", "sft"), ("fooled", "sft")),
        *(("better", "twin"), ("better", "fooled"), ("twin", "fooled")),
    ]
    assert found(comparison, "twin", "fooled")["verdict"] == HIGHER


def test_reward_up_and_gold_down_is_a_warning(project):
    comparison = run("better", "fooled")
    assert found(comparison, "fooled", "sft")["verdict"] == LOWER
    caught = [alarm for alarm in comparison["warnings"] if alarm["kind"] == "over-optimisation"]
    assert {alarm["branch"] for alarm in caught} == {"fooled"}
    assert caught[1]["text"].startswith("fooled is over-optimised (sampled, seeds: 0, 1): reward +0.4")


def test_warnings_are_stored_in_both_languages_and_each_report_has_its_own(project):
    caught = [alarm for alarm in run("better", "fooled")["warnings"] if alarm["branch"] == "fooled"]
    assert caught[0]["text_ko"].startswith("fooled: 과최적화되었습니다(탐욕, 시드: 0, 1). sft 대비 보상 +0.4")
    for name, kept, left in (("comparison", "text", "text_ko"), ("comparison.ko", "text_ko", "text")):
        shown = Path(f"reports/{name}.html").read_text(encoding="utf-8")
        assert all(alarm[kept] in shown and alarm[left] not in shown for alarm in caught)


def test_what_differs_is_told_in_the_language_of_the_report(project):
    trained("better-1", engine="trl")
    trained("better-0", engine="trl")
    differences = run("better", "twin")["contract"]["differences"]
    assert differences == ["better is trained by trl"]
    assert "better is trained by trl" in stage.MARKDOWN.read_text(encoding="utf-8")
    korean = Path("reports/comparison.ko.md").read_text(encoding="utf-8")
    assert "better: 학습 도구: trl" in korean
    assert "is trained by" not in korean


def test_a_single_over_optimised_seed_is_a_warning(project):
    write("torn-0", evaluation(60, gold=-0.1, reward=0.4, kl=6.0))
    write("torn-1", evaluation(61, gold=0.1, reward=0.4, kl=6.0))
    comparison = run("torn")
    assert found(comparison, "torn", "sft")["verdict"] == SAME
    assert [alarm["text"].split(":")[1] for alarm in warned(comparison)] == [" 0)", " 0)"]


def test_a_negative_kl_is_a_warning(project):
    write("odd-0", evaluation(3, kl=-1.0))
    assert [alarm["kind"] for alarm in warned(run("odd", seeds=[0]))] == ["kl"]


def test_summaries_that_shrank_to_less_than_half_are_a_warning(project):
    table = evaluation(62)
    place = table.column_names.index("characters")
    write("terse-0", table.set_column(place, "characters", pa.array([8] * len(table))))  # sft: 18
    caught = [alarm for alarm in warned(run("terse", seeds=[0])) if alarm["kind"] == "length"]
    assert [alarm["branch"] for alarm in caught] == ["terse"]


def test_the_frontier_has_one_point_a_training_and_sft_at_zero(project):
    frontier = run("better", "fooled")["frontier"]["ends"]
    assert [(point["branch"], point["seed"]) for point in frontier] == [
        *(("sft", None), ("better", 0), ("better", 1), ("fooled", 0), ("fooled", 1))
    ]
    assert frontier[0]["kl"] == 0.0
    assert frontier[1]["kl"] == pytest.approx(1.5, abs=0.05)


def test_samples_are_averaged_before_prompts(project):
    table = pq.read_table("reports/evaluation/better-0/predictions.parquet").to_pylist()
    gold = np.array([row["gold"] for row in table if row["decoding"] == "sampled"]).reshape(PROMPTS, SAMPLES)
    score = run("better", seeds=[0])["scores"]["sampled"]["better"]["gold"]["mean"]
    assert score == pytest.approx(gold.mean(axis=1).mean(), abs=1e-6)


@pytest.mark.parametrize("absent", ["column", "values"])
def test_without_gold_the_headline_is_rouge(project, absent):
    for model in ("sft", "better-0"):
        table = pq.read_table(f"reports/evaluation/{model}/predictions.parquet")
        without = table.drop_columns(["gold"])
        nothing = without.append_column("gold", pa.nulls(len(table)))
        write(model, without if absent == "column" else nothing)
    comparison = run("better", seeds=[0])
    assert comparison["headline"] == "rougeL"
    assert "gold" not in comparison["scores"]["greedy"]["sft"]
    assert warned(comparison) == []


def test_gold_of_some_rows_only_is_told(project):
    table = pq.read_table("reports/evaluation/better-0/predictions.parquet")
    gold = table["gold"].to_pylist()
    place = table.schema.get_field_index("gold")
    write("better-0", table.set_column(place, "gold", pa.array([None, *gold[1:]], type=pa.float64())))
    comparison = run("better", seeds=[0])
    assert comparison["headline"] == "rougeL"
    assert [alarm["kind"] for alarm in warned(comparison)] == ["gold"]


def test_json_bytes_are_the_same_and_hold_no_time_and_no_place(project, drawn):
    run("better", "twin")
    first = {path: path.read_bytes() for path in Path("reports").glob("comparison.*")}
    assert len(first) == 5  # the JSON, and HTML and Markdown in two languages
    costs = Path(".state/costs")
    run("better", "twin")
    assert first == {path: path.read_bytes() for path in first}
    costs.mkdir(parents=True)
    ledger = {"seconds": 321.0, "tokens": 45678, "peak_memory_bytes": 3 * 2**30}
    (costs / "align-better-0.json").write_text(json.dumps(ledger), encoding="utf-8")
    run("better", "twin")
    text = stage.JSON.read_text(encoding="utf-8")
    assert text.encode() == first[stage.JSON]
    assert not re.search(r"20\d\d-\d\d|seconds|\d\d:\d\d|time|" + re.escape(str(project)), text)
    assert "321" in stage.HTML.read_text(encoding="utf-8")
    assert "3,072" in stage.MARKDOWN.read_text(encoding="utf-8")
    (costs / "align-better-0.json").write_text(json.dumps(ledger | {"content": "other"}), encoding="utf-8")
    run("better", "twin")
    assert "3,072" not in stage.MARKDOWN.read_text(encoding="utf-8")
    assert all(len(digits) <= 6 for digits in re.findall(r"\d\.(\d+)", text))


def test_adding_a_branch_leaves_the_intervals_of_the_others(project):
    alone = found(run("better"), "better", "sft")
    among = found(run("better", "twin", "fooled"), "better", "sft")
    corrected = {"p", "p_holm", "smallest_detectable", "prompts_needed"}  # these speak of all pairs together
    assert {name for name in alone if alone[name] != among[name]} == corrected
    assert (alone["p"], alone["p_holm"]) == pytest.approx((1 / 1001, 1 / 1001), abs=1e-6)
    assert (among["p"], among["p_holm"]) == pytest.approx(
        (1 / 2401, 6 / 2401), abs=1e-6
    )  # the first of six pairs


def test_with_eight_seeds_a_claim_about_the_method_is_made(project):
    for seed in range(8):
        write(f"better-{seed}", evaluation(seed, gold=0.1 + 0.02 * (seed % 2), kl=1.5))
    assert run("better", seeds=list(range(7)))["in_general"] == {"greedy": [], "sampled": []}
    assert "No claim is made about a method in general: 7 seeds" in stage.HTML.read_text(encoding="utf-8")
    comparison = run("better", seeds=list(range(8)))
    (row,) = comparison["in_general"]["greedy"]
    assert (row["left"], row["right"], row["verdict"]) == ("better", "sft", HIGHER)
    assert row["difference"] == pytest.approx(0.11, abs=1e-4)
    assert row["low"] < found(comparison, "better", "sft")["low"]  # other seeds, and not these alone
    for path in (stage.HTML, stage.MARKDOWN):
        text = path.read_text(encoding="utf-8")
        assert "In general, better is higher than sft on gold" in text
        assert "sd of seeds" in text


def test_what_the_prompts_can_show_is_told(project):
    comparison = run("better", "twin")
    row = found(comparison, "better", "sft")
    assert row["effect_size"] > 1
    assert 0 < row["smallest_detectable"] < 0.1
    assert row["prompts_needed"] > PROMPTS
    assert comparison["test"]["pairs"] == 3
    assert found(comparison, "twin", "sft")["smallest_detectable"] is None
    for path in (stage.HTML, stage.MARKDOWN):
        text = path.read_text(encoding="utf-8")
        assert "What these prompts can show, gold, greedy" in text
        assert "corrected by Holm over 3 pairs" in text


def test_the_page_escapes_predictions_and_asks_for_nothing(project, drawn):
    attack = '<script>alert("1")</script>'
    table = pq.read_table("reports/evaluation/better-0/predictions.parquet")
    place = table.schema.get_field_index("prediction")
    write("better-0", table.set_column(place, "prediction", pa.array([attack] * len(table))))
    run("better")
    text = stage.HTML.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;alert(&quot;1&quot;)" in text
    assert re.findall(r'(?:src|href)="(?!#)([^"]*)', text) == ["comparison.ko.html"]
    assert set(re.findall(r"https?://[^\"\s<]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_likelihood_displacement_is_shown_where_a_training_told_it(project):
    told = {"chosen_logp_change_nats": -12.5, "likelihood_displacement": True, "train_margin": 0.8}
    trained("better-1", rows=3, **told)
    comparison = run("better")
    assert comparison["displacement"] == {"better": [{"seed": 1, **told}]}
    assert "-12.50" in stage.HTML.read_text(encoding="utf-8")


def test_the_table_can_be_printed_from_the_json(project):
    console = Console(width=132, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        console.print(stage.table(run("better", "twin")))
        text = console.export_text()
    assert re.search(r"better .*\[\+0\.\d+, \+0\.\d+\] ▲", text)
    assert re.search(r"twin .*\] =", text)
    scores = text[text.index("gold of each model") :]
    assert scores.index(" sft ") < scores.index(" better ")


def test_metrics_are_flat(project):
    metrics = stage.run(COMPARE, entries("better", "twin"), SEEDS, {}, DUEL, STRENGTH)
    assert metrics["pairs"] == 3
    assert metrics["pairs_told_apart"] == 2
    assert all(isinstance(value, float | int | str | bool) for value in metrics.values())


def test_a_missing_model_is_refused(project):
    with pytest.raises(Refusal, match=r"better-2/predictions\.parquet: the file is missing"):
        run("better", seeds=[0, 1, 2])


def test_prompts_in_another_order_are_refused(project):
    table = pq.read_table("reports/evaluation/better-1/predictions.parquet")
    write("better-1", table.take(list(reversed(range(len(table))))))
    with pytest.raises(Refusal, match="the same rows in another order than sft"):
        run("better")


def test_other_prompts_are_refused(project):
    table = pq.read_table("reports/evaluation/better-1/predictions.parquet")
    ids = ["x" + name for name in table["id"].to_pylist()]
    write("better-1", table.set_column(0, "id", pa.array(ids)))
    with pytest.raises(Refusal, match="other rows than sft"):
        run("better")


@pytest.mark.parametrize("name", sorted(HASHES))
def test_other_references_prompts_or_rewards_are_refused(project, name):
    write("better-1", evaluation(1), **{name: "other"})
    with pytest.raises(Refusal, match=f"{name} is other"):
        run("better")


def test_a_value_that_is_not_finite_is_refused(project):
    table = pq.read_table("reports/evaluation/better-0/predictions.parquet")
    reward = [float("nan"), *table["reward"].to_pylist()[1:]]
    write("better-0", table.set_column(table.schema.get_field_index("reward"), "reward", pa.array(reward)))
    with pytest.raises(Refusal, match="1 values of reward are missing or not finite"):
        run("better")


def test_a_missing_text_is_refused(project):
    table = pq.read_table("reports/evaluation/better-0/predictions.parquet")
    texts = pa.array([None, *table["prediction"].to_pylist()[1:]])
    write("better-0", table.set_column(table.schema.get_field_index("prediction"), "prediction", texts))
    with pytest.raises(Refusal, match="1 values of prediction are missing"):
        run("better")


def test_a_missing_column_and_a_repeated_row_are_refused(project):
    table = pq.read_table("reports/evaluation/better-0/predictions.parquet")
    write("better-0", table.drop_columns(["ended"]))
    with pytest.raises(Refusal, match="the columns ended are missing"):
        run("better")
    write("better-0", pa.concat_tables([table, table.slice(0, 1)]))
    with pytest.raises(Refusal, match="stands twice"):
        run("better")


def test_documents_of_another_split_are_refused(project):
    for model in ("sft", "better-0", "better-1"):
        write(model, evaluation(100), split="validation")
    with pytest.raises(Refusal, match=r"validation\.parquet: does not hold every document"):
        run("better")


def test_no_branch_is_refused(project):
    with pytest.raises(Refusal, match="there is no branch"):
        run()


def test_baselines_stand_beside_the_models(project):
    write("sft", evaluation(100), baselines=BASELINES | {"reference": {"gold": 0.987}})
    run("better")
    text = stage.MARKDOWN.read_text(encoding="utf-8")
    assert "| the reference itself | 0.987 | - | - | - |" in text
    assert "| lead-1 | - | 0.300 | 0.100 | 0.200 |" in text


SIGNATURES = {"rouge1": "rouge1|tok:kiwi-0.24.1", "chrf": "chrF2|nc:6"}


def test_figures_of_other_signatures_are_refused(project):
    write("sft", evaluation(100), signatures=SIGNATURES)
    for seed in SEEDS:
        write(f"better-{seed}", evaluation(seed), signatures=SIGNATURES)
    assert run("better")["signatures"] == SIGNATURES
    write("better-1", evaluation(1), signatures=SIGNATURES | {"chrf": "chrF2|nc:4"})
    with pytest.raises(
        Refusal, match=r"better-1: signatures is {'chrf': 'chrF2\|nc:4'}, that of sft is {'chrf': 'chrF2"
    ):
        run("better")
    write("better-1", evaluation(1))
    with pytest.raises(Refusal, match="better-1: signatures is None"):
        run("better")


def test_every_measure_stands_beside_its_baselines_and_its_signature(project):
    write("sft", evaluation(100), signatures=SIGNATURES, baselines={"random": {"chrf": 0.123}})
    table = evaluation(5)
    place = table.schema.get_field_index("chrf")
    write("better-0", table.set_column(place, "chrf", pa.array([0.75] * len(table))), signatures=SIGNATURES)
    run("better", seeds=[0])
    for path in (stage.HTML, stage.MARKDOWN):
        text = re.sub(r"<[^>]+>", "|", path.read_text(encoding="utf-8"))
        text = re.sub(r"[|\s]+", " ", text)
        assert "chrF2 higher 0.250 0.750 ▲ 0.123" in text
        assert "wrong speakers lower 0.250 0.250 -" in text
        assert "F2 of character 1- to 6-grams, over 100 chrF2" in text


def test_bertscore_is_compared_where_all_have_it(project):
    scored = evaluation(100).append_column("bertscore", pa.array([0.5] * len(evaluation(100))))
    write("sft", scored)
    assert "bertscore" not in run("better")["scores"]["greedy"]["sft"]
    for seed in SEEDS:
        write(f"twin-{seed}", scored)
    assert run("twin")["scores"]["greedy"]["sft"]["bertscore"]["mean"] == 0.5
    assert "BERTScore" in stage.HTML.read_text(encoding="utf-8")


MANY = 4


def plant_best_of(**columns: np.ndarray) -> pa.Table:
    """SFT's Best-of-N rows: the ranking and reward follow gold, but for noise; and its summary names them."""
    rng = np.random.default_rng(11)
    gold = (SHARED[:, None] + 0.1 * rng.normal(size=(PROMPTS, MANY))).ravel()
    table = pa.table(
        {
            "id": [f"doc-{place:03d}" for place in range(PROMPTS) for _ in range(MANY)],
            "sample": list(range(MANY)) * PROMPTS,
            "prediction": ["요약"] * PROMPTS * MANY,
            **{"ranking": gold, "gold": gold, "reward": 2 * gold, "rougeL": gold / 2, **columns},
        }
    )
    write("sft", evaluation(100), best_of=[{"n": n} for n in (1, 2, MANY)])
    pq.write_table(table, "reports/evaluation/sft/best_of.parquet")
    return table


def test_best_of_n_is_the_upper_line_with_its_intervals(project, drawn):
    gold_PN = plant_best_of()["gold"].to_numpy().reshape(PROMPTS, MANY)
    line = run("better")["best_of"]
    assert [point["n"] for point in line] == [1, 2, 4]
    assert line[0]["kl_bound"] == 0
    assert line[2]["kl_bound"] == pytest.approx(np.log(4) - 0.75, abs=1e-6)
    assert line[0]["gold"]["mean"] == pytest.approx(gold_PN.mean(), abs=1e-6)
    assert line[2]["gold"]["mean"] == pytest.approx(gold_PN.max(1).mean(), abs=1e-6)
    for point in line:
        assert point["reward"]["mean"] == pytest.approx(2 * point["gold"]["mean"], abs=1e-5)
        assert point["gold"]["low"] < point["gold"]["mean"] < point["gold"]["high"]
    shown = f"| 4 | 0.64 | {line[2]['gold']['mean']:.3f} ["
    assert "### Best-of-N of SFT: what the reward model alone can buy" in stage.MARKDOWN.read_text(
        encoding="utf-8"
    )
    assert shown in stage.MARKDOWN.read_text(encoding="utf-8")
    text = stage.HTML.read_text(encoding="utf-8")
    assert "Best-of-N of sft (KL bound)" in text
    assert "n beside each mark" in text


def test_a_ranking_that_knows_nothing_buys_nothing(project):
    plant_best_of(ranking=np.random.default_rng(12).normal(size=PROMPTS * MANY))
    line = run("better")["best_of"]
    assert line[2]["gold"]["low"] < line[0]["gold"]["mean"] < line[2]["gold"]["high"]


def test_without_gold_the_line_is_of_rouge(project):
    plant_best_of()
    table = pq.read_table("reports/evaluation/better-0/predictions.parquet")
    write("better-0", table.drop_columns(["gold"]))
    point = run("better", seeds=[0])["best_of"][2]
    assert point.keys() == {"n", "kl_bound", "rougeL", "reward"}


def test_without_a_line_the_page_is_silent_about_it(project):
    assert run("better")["best_of"] == []
    assert "Best-of-N of" not in stage.HTML.read_text(encoding="utf-8")
    assert "Best-of-N of" not in stage.MARKDOWN.read_text(encoding="utf-8")


def test_best_of_n_rows_of_other_prompts_or_none_are_refused(project):
    table = plant_best_of()
    path = Path("reports/evaluation/sft/best_of.parquet")
    pq.write_table(table.slice(1), path)
    with pytest.raises(Refusal, match=r"best_of.parquet: does not hold 4 samples of each prompt"):
        run("better")
    plant_best_of(reward=np.full(PROMPTS * MANY, np.nan))
    with pytest.raises(Refusal, match="a value of reward is missing or not finite"):
        run("better")
    path.unlink()
    with pytest.raises(Refusal, match=r"best_of.parquet: cannot be read"):
        run("better")


def test_many_branches_in_any_script_fit_the_page(project, drawn):
    names = ["정렬", *(f"branch{place}" for place in range(10))]
    for name in names:
        write(f"{name}-0", evaluation(5))
    run(*names, seeds=[0])
    assert "정렬 − sft" in stage.HTML.read_text(encoding="utf-8")


TUNED = Tuning(trials=3, split="validation", seed=100, measure="gold", best=0.6, settings={"method": "dpo"})


def test_what_each_branch_was_given_is_told_everywhere(project, capsys):
    comparison = run("better", "twin", tuning={"better": TUNED, "twin": TUNED})
    assert [branch["trials"] for branch in comparison["branches"]] == [3, 3]
    assert comparison["branches"][0]["family"] == "pairs"
    assert not [alarm for alarm in comparison["warnings"] if alarm["kind"] == "budget"]
    row = "| better | dpo | pairs | models/sft | pairs |  | 36 | 1,152 | 180,669 | 0 | 0 | 3 |"
    assert row in stage.MARKDOWN.read_text(encoding="utf-8")
    assert "<th>tuning trials</th>" in stage.HTML.read_text(encoding="utf-8")
    assert "What each branch was given" in capsys.readouterr().out


def test_unlike_budgets_are_a_warning(project):
    budget = run("better", "twin", tuning={"better": TUNED})["warnings"][0]
    assert budget["kind"] == "budget"
    assert "better (3); twin (0: settings by hand)" in budget["text"]
    assert "Tuning budgets differ" in stage.HTML.read_text(encoding="utf-8")


def test_every_pair_has_its_win_rate_by_every_judge(project):
    """better's gold lies 0.1 above sft's, twin's is sft's own; all texts are of one length."""
    comparison = run("better", "twin")
    rows = {(row["judge"], row["left"], row["right"]): row for row in comparison["win_rates"]}
    pairs = [("better", "sft"), ("twin", "sft"), ("better", "twin")]
    assert list(rows) == [(judge, *pair) for judge in ("exact", "reward", "rougeL") for pair in pairs]
    wins = np.array([row["gold"] for row in greedy("better-0") + greedy("better-1")])
    wins = wins > np.tile([row["gold"] for row in greedy("sft")], 2)
    row = rows["exact", "better", "sft"]
    assert (row["wins"], row["ties"], row["losses"]) == (wins.sum(), 0, (~wins).sum())
    assert row["win_rate"] == pytest.approx(wins.mean(), abs=1e-6)
    assert 0.5 < row["low"] < row["win_rate"] < row["high"]
    assert row["length_controlled"] == pytest.approx(row["win_rate"], abs=0.001)  # but for the ridge
    assert rows["exact", "twin", "sft"] | {"wins": 0, "losses": 0} == rows["exact", "twin", "sft"]
    assert rows["rougeL", "better", "sft"]["ties"] == 2 * PROMPTS
    assert row["flip_rate"] is None
    page, text = stage.HTML.read_text(encoding="utf-8"), stage.MARKDOWN.read_text(encoding="utf-8")
    assert page.count("<th>row beats column</th>") == 3
    assert f"{row['win_rate']:.3f} ▲" in page
    assert f"{1 - row['win_rate']:.3f} ▼" in page  # seen from the other side
    assert "| better − sft | exact judge | " in text


def greedy(model: str) -> list[dict]:
    table = pq.read_table(f"reports/evaluation/{model}/predictions.parquet").to_pylist()
    return [row for row in table if row["decoding"] == "greedy"]


def test_the_other_judges_are_held_against_the_exact_one(project):
    """better's reward rises with its gold, fooled's against it: the reward model is right and then wrong."""
    judges = {judge["name"]: judge for judge in run("better")["judges"]}
    assert judges["exact"]["exempt"]
    assert judges["exact"]["against_exact"] is None
    assert judges["reward"]["against_exact"]["agreement"]["mean"] > 0.8
    comparison = run("fooled")
    told = [alarm["text"] for alarm in comparison["warnings"] if alarm["kind"] == "judge"]
    assert told[0].startswith("The judge reward model (fold B) agrees with the exact judge on")
    assert "it is not clearly better" in told[0]


def test_where_the_judge_is_rouge_it_stands_once(project):
    for model in ("sft", "better-0", "better-1"):
        write(model, pq.read_table(f"reports/evaluation/{model}/predictions.parquet"), judge="rouge")
    comparison = run("better")
    assert [judge["name"] for judge in comparison["judges"]] == ["rouge", "reward"]
    assert "Nobody measured" in comparison["warnings"][-1]["text"]
