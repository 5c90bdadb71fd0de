"""Command rate: what is asked of which files, what the answers become, and that a killed program lost none."""

import json
import signal
from pathlib import Path
from urllib.request import Request, urlopen

import pyarrow.parquet as pq
import pytest

from tasks import rate
from tasks.__main__ import main
from tasks.corpus import rated
from tasks.corpus.cleaning import clean
from tasks.people import subjects
from tasks.people.answers import Log
from tasks.people.questions import drawn
from tasks.people.sitting import Sitting
from tasks.refusal import Refusal

FOLDER = Path("reports/people/dpo-0-vs-rloo-0")


def answer(origin, path, place, side):
    """What the browser's button does; the page that comes after it."""
    request = Request(f"{origin}{path}/en/{place}/{side}", b"", {"Origin": origin}, method="POST")
    with urlopen(request, timeout=60) as page:
        return page.read().decode()


def test_a_killed_program_has_lost_no_answer_and_the_next_goes_on(begin):
    process, said, origin, path = begin()
    assert said.startswith("0 of 5 questions have an answer")  # of 6 prompts one has one text from both
    assert "1 of 5" in answer(origin, path, 0, "left")
    assert "2 of 5" in answer(origin, path, 1, "tie")
    process.kill()
    process.wait()
    process, said, origin, other = begin()
    assert said.startswith("2 of 5 questions have an answer")
    assert other != path
    assert "1 of 5" in answer(origin, other, 2, "undo")
    assert "2 of 5" in answer(origin, other, 1, "right")
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=120)
    assert process.returncode == 0, told
    assert "2 verdicts, 1 raters (kim)" in told
    assert "however often one looks" in told
    assert "no pairs to train on are written" in told
    found, _ = rated.read(FOLDER / "rated.jsonl", {}, None)
    assert len(found) == 2
    assert all(pair.left.startswith("가") and pair.right.startswith("나") for pair in found)
    assert {pair.human for pair in found} <= {0.0, 1.0}
    assert not (FOLDER / "pairs.jsonl").exists()


def test_the_result_alone_serves_no_page(workplace, capsys):
    assert main(["rate", "rloo-0", "dpo-0", "--result"]) == 0
    assert capsys.readouterr().out == "greedy summaries of the test split: no verdict yet\n"
    assert not FOLDER.exists()


def test_both_orders_of_the_models_are_one_and_each_decoding_is_its_own(workplace):
    one, other = (subjects.of_models(names, "greedy") for names in (["dpo-0", "rloo-0"], ["rloo-0", "dpo-0"]))
    assert one == other
    sampled = subjects.of_models(["dpo-0", "rloo-0"], "sampled")
    assert sampled.name == "dpo-0-vs-rloo-0-sampled"
    assert sampled.questions[0].a.startswith("표집 가 0")
    assert one.questions[0].a.startswith("가 0")
    assert (one.render, sampled.render) == (None, None)


def test_another_seed_than_the_answers_have_is_refused(workplace):
    questions = subjects.of_models(["dpo-0", "rloo-0"], "greedy").questions
    log = Log(FOLDER / "answers/kim.jsonl")
    Sitting(drawn(questions, 3, None), log, {"models": [], "rater": "kim", "seed": 3}).take(0, "left")
    log.close()
    with pytest.raises(Refusal, match="was begun with the seed 3; say --seed 3"):
        rate.run(["dpo-0", "rloo-0"], "greedy", False, None, 0, 0, "kim")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["dpo-0"], "is not two models"),
        (["dpo-0", "dpo-0"], "is not two models"),
        (["dpo-0", "../sft"], "is not two models"),
        ([], "is not two models"),
        (["dpo-0", "sft"], "reports/evaluation/sft/predictions.parquet: the file is missing"),
        (["dpo-0", "rloo-0", "--rater", "../kim"], "is no name"),
        (["dpo-0", "--samples"], "take no MODEL"),
        (["--samples"], "data/samples.parquet: the file is missing"),
        (["dpo-0", "rloo-0", "--prompts", "0"], "--prompts is more than 0"),
        (["dpo-0", "rloo-0", "--port", "70000"], "--port is 0 to 65535"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(words, why, workplace, capsys):
    assert main(["rate", *words]) == 2
    assert why in capsys.readouterr().err


def test_models_that_met_other_prompts_are_refused(workplace):
    path = Path("reports/evaluation/rloo-0/summary.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"prompts_sha256": "9" * 64}))
    with pytest.raises(Refusal, match=r"not evaluated on the same prompts \(prompts_sha256\)"):
        subjects.of_models(["dpo-0", "rloo-0"], "greedy")


def test_samples_become_pairs_that_the_stage_takes_and_no_evaluated_document_is_among_them(own):
    """As planted, the first training document stands in the test split, too: nobody is asked about it."""
    train = pq.read_table("data/prepared/train.parquet").to_pylist()
    test = pq.read_table("data/prepared/test.parquet")
    leaked = test.set_column(
        test.column_names.index("document"), "document", [[train[0]["document"]] * len(test)]
    )
    Path("data/prepared/test.parquet").unlink()
    pq.write_table(leaked, "data/prepared/test.parquet")
    subject = subjects.of_samples(own.parameters.text)
    assert train[0]["id"] not in {question.id for question in subject.questions}
    assert len(subject.questions) > 20
    assert subject == subject._replace(questions=subjects.of_samples(own.parameters.text).questions)
    log = Log(Path("reports/people/samples/answers/kim.jsonl"))
    sitting = Sitting(drawn(subject.questions, 0, None), log, {"models": [], "rater": "kim", "seed": 0})
    chosen = {}
    for place in range(sitting.total):
        chosen[sitting.asked[place].question.document] = sitting.asked[place].left
        sitting.take(place, "left")
    log.close()
    rate.run([], "greedy", True, None, 0, 0, "kim", serve=False)
    own.change("pairs", source={"kind": "own"})
    own.change("own", pairs="reports/people/samples/pairs.jsonl")
    found = own.run("pairs")
    counted = sum(found[f"rows_{fold}"] for fold in ("a", "a_holdout", "b", "b_holdout"))
    assert counted == len(subject.questions)
    rows = pq.read_table("data/pairs/a.parquet").to_pylist()
    assert {row["prompt"]: row["chosen"] for row in rows}.items() <= {
        subject.render(document): clean(text)[0] for document, text in chosen.items()
    }.items()
