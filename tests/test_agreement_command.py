"""Command agreement: ROUGE, the reward model and a stub of an endpoint against a rated set."""

import json
import re
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tasks import agreement
from tasks.__main__ import main
from tasks.measures import trust
from tasks.refusal import Refusal

ROOT, SECRET = Path(__file__).resolve().parents[1], "sk-not-to-be-told"
SUMMARIES = [  # what people gave them, of the reference 민수가 토요일에 지수의 이사를 돕기로 했다.
    ("민수가 토요일에 지수의 이사를 돕기로 했다.", 5),
    ("민수가 토요일에 이사를 돕는다.", 4),
    ("지수가 화분을 산다.", 1),
]


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """params.yaml with one judge, its rubric, and a rated set of four documents."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GALLIM_STATE", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("NO_PROXY", "*")
    shutil.copytree(ROOT / "assets/duels", "assets/duels")
    judged()
    rows = [
        {
            "document": f"문서 {n}",
            "summary": f"{text} {n}",
            "score": score,
            "reference": "민수가 토요일에 지수의 이사를 돕기로 했다.",
        }
        for n in range(4)
        for text, score in SUMMARIES
    ]
    Path("people.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def judged(url="http://127.0.0.1:9/v1", max_cost=0.0):
    given = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    judge = {"kind": "endpoint", "url": url, "model": "grader", "rubric": "ko", "temperature": 0.0}
    judge |= {"reply_tokens": 400, "concurrency": 2, "max_attempts": 1, "timeout_seconds": 60.0}
    judge |= {"requests_per_minute": None}
    judge |= {"price": {"input": 1.0, "output": 1.0, "reply_tokens": 300, "max_cost": max_cost}}
    given["duel"]["judges"], given["compare"]["resamples"] = {"grader": judge}, 1000
    with Path("params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(given, file)


def shorter(body):
    texts = json.loads(body["messages"][1]["content"])
    mark = re.search(r"VERDICT-[0-9a-f]{16}:", body["messages"][0]["content"]).group()
    return 200, f"{mark} {'A' if len(texts['A']) < len(texts['B']) else 'B'}"


def run(judge, **more):
    given = {"criterion": None, "names": {}, "most": None} | more
    return agreement.run("people.jsonl", judge, **given)


def test_rouge_against_people(workplace, capsys):
    """By length 5 > 4 > 1 in characters too, so that the longer is always right, and ROUGE no better."""
    found = run("rouge")
    assert (found["pairs"], found["documents"], found["human_ties"], found["abstained"]) == (12, 4, 0, 0)
    assert found["agreement"] == found["longer"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    assert found["above_longer"]["mean"] == 0.0
    said = capsys.readouterr().out
    assert "rouge on people.jsonl: 12 pairs, 4 documents" in said
    assert "warning: not clearly better than to prefer the longer summary" in said
    record = Path("reports/agreement/rouge-people.json")
    assert json.loads(record.read_text(encoding="utf-8")) == found
    assert [each["set"] for each in trust.records("rouge")] == ["people.jsonl"]


def test_an_endpoint_against_people_in_both_orders(workplace, served, capsys):
    """It prefers the shorter, which people never do: 0 of 12."""
    with served(shorter) as (url, asked):
        judged(url, max_cost=1.0)
        found = run("grader")
        assert len(asked) == 24
        again = run("grader")
        assert len(asked) == 24
    assert again == found
    assert found["agreement"]["mean"] == 0.0
    assert found["flip_rate"] == 0.0
    assert trust.alarms(
        [
            {
                "name": "grader",
                "exempt": False,
                "against_exact": None,
                "agreement": trust.records(found["identity"]),
            }
        ]
    )
    said = "".join(capsys.readouterr())
    assert "24 requests, about" in said
    assert SECRET not in said
    assert all(SECRET.encode() not in path.read_bytes() for path in Path().rglob("*") if path.is_file())


def test_what_it_costs_is_refused_first(workplace):
    with pytest.raises(
        Refusal, match=r"grader.price.max_cost: is 0, and 24 requests, .*draw fewer by --pairs"
    ):
        run("grader")


def test_a_drawn_part_is_the_same_each_time(workplace, served):
    with served(shorter) as (url, asked):
        judged(url, max_cost=1.0)
        assert run("grader", most=5) == run("grader", most=5)
    assert len(asked) == 10


def test_a_judge_that_is_not_there_and_a_set_without_references_are_refused(workplace):
    with pytest.raises(Refusal, match=r"there is no judge 'exact'; known are rouge, rougeL, reward, grader"):
        run("exact")
    row = {"document": "문서", "summary_a": "가", "summary_b": "나", "preference": "a"}
    Path("people.jsonl").write_text(json.dumps(row))
    with pytest.raises(Refusal, match=r"has no references, which ROUGE needs"):
        run("rougeL")


def test_the_command_line_reaches_it(workplace, capsys):
    Path("stars.csv").write_text(
        "article,text,stars,reference\n" + "".join(f"문서,{text},{score},{text}\n" for text, score in SUMMARIES[:2])
        + "둘째,가 나,1,가\n둘째,다 라,2,다\n"
    )  # fmt: skip
    words = [
        "agreement",
        "stars.csv",
        "--judge",
        "rougeL",
        "--field",
        "document=article",
        "--field",
        "summary=text",
    ]
    assert main([*words, "--field", "score=stars"]) == 0
    assert "rougeL on stars.csv: 2 pairs, 2 documents" in capsys.readouterr().out
    assert main(["agreement", "stars.csv"]) == 2
    assert "--judge" in capsys.readouterr().err


def test_the_reward_model_scores_what_fits_and_leaves_the_rest(own):
    rows = [
        {"document": f"민수: {n}시에 보자.\n지수: 그래.", "summary": text, "score": score}
        for n in range(2)
        for text, score in (*SUMMARIES, ("긴 요약 " * 2000, 3))
    ]
    Path("people.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    found = run("reward")
    weights = json.loads(Path("models/reward-b/manifest.json").read_text())["weights_sha256"]
    assert found["identity"] == weights
    assert (found["pairs"], found["abstained"]) == (12, 6)
    assert found["agreement"] is not None
